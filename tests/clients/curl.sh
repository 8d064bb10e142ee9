#!/bin/sh
# The requests of ACME clients and dynamic DNS scripts. The environment has API, TOKEN and ACCOUNT.
set -eu

ask() {
    method=$1 path=$2
    shift 2
    curl --silent --show-error --fail-with-body --request "$method" --header "Authorization: Bearer $TOKEN" \
        --header "Content-Type: application/json" "$API$path" "$@"
}
id() { sed -n 's/.*"id":"\([0-9a-f]\{32\}\)".*/\1/p' | head -n 1; }
fail() { echo "$*" >&2; exit 1; }

ask GET /user/tokens/verify | grep -q '"status":"active"' || fail "the token is not good"
ask POST /zones --data "{\"name\":\"curl.test\",\"account\":{\"id\":\"$ACCOUNT\"},\"jump_start\":false}" > /dev/null

# Which zone is it? From the longest name down.
ask GET "/zones?name=_acme-challenge.curl.test&status=active" | grep -q '"result":\[\]' || fail "no zone has that name"
zone=$(ask GET "/zones?name=curl.test&status=active&per_page=50" | sed 's/.*"result":\[//; s/"account":{[^}]*}//; s/"owner":{[^}]*}//; s/"plan":{[^}]*}//' | id)

# Two challenges of one name at once; one of them is found by its content, with quotes or without, and taken back.
challenge() {
    ask POST "/zones/$zone/dns_records" \
        --data "{\"type\":\"TXT\",\"name\":\"_acme-challenge.curl.test\",\"content\":\"$1\",\"ttl\":120}" > /dev/null
}
challenge token-one
challenge token-two
count() { ask GET "/zones/$zone/dns_records?type=TXT&name=_acme-challenge.curl.test$1" | grep -o '"type":"TXT"' | wc -l; }
[ "$(count '')" -eq 2 ] || fail "two challenges"
[ "$(count '&content=token-one')" -eq 1 ] || fail "one challenge"
[ "$(count '&content=%22token-two%22')" -eq 1 ] || fail "the other challenge"
remove() {
    record=$(ask GET "/zones/$zone/dns_records?type=TXT&name=_acme-challenge.curl.test&content=$1&per_page=1" | id)
    ask DELETE "/zones/$zone/dns_records/$record" | grep -q "\"id\":\"$record\"" || fail "it is not deleted"
}
remove token-one
remove token-two

# A name at home: made, then given a new address.
record=$(ask POST "/zones/$zone/dns_records" \
    --data '{"type":"A","name":"home.curl.test","content":"192.0.2.1","ttl":1,"proxied":false}' | id)
ask PUT "/zones/$zone/dns_records/$record" \
    --data '{"type":"A","name":"home.curl.test","content":"192.0.2.2","ttl":1,"proxied":false}' > /dev/null
ask PATCH "/zones/$zone/dns_records/$record" --data '{"content":"192.0.2.3"}' | grep -q '192.0.2.3' || fail "the new address"

# A whole zone out and in.
ask GET "/zones/$zone/dns_records/export" > exported.txt
curl --silent --show-error --fail-with-body --header "Authorization: Bearer $TOKEN" \
    --form "file=@exported.txt" --form "proxied=false" "$API/zones/$zone/dns_records/import" |
    grep -q '"recs_added":0' || fail "all of it is there already"
rm exported.txt
