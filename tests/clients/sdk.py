"""The official Python SDK, with only the base URL changed. The environment has API, TOKEN and ZONE."""

import os

from cloudflare import Cloudflare, NotFoundError, BadRequestError
cf = Cloudflare(api_token=os.environ["TOKEN"], base_url=os.environ["API"])
assert cf.user.tokens.verify().status == "active"
accounts = list(cf.accounts.list())
account = next(a for a in accounts if a.name == "acme")
name = os.environ["ZONE"]
zone = cf.zones.create(account={"id": account.id}, name=name, type="full")
found = list(cf.zones.list(name=name))
assert [z.id for z in found] == [zone.id], found
assert cf.zones.get(zone_id=zone.id).name == name
recs = cf.dns.records
a = recs.create(zone_id=zone.id, type="A", name="www", content="192.0.2.1", ttl=120, comment="c", tags=["t:1"])
assert (a.name, a.content, a.ttl, a.proxied, a.comment, a.tags) == (f"www.{name}", "192.0.2.1", 120, False, "c", ["t:1"]), a
b = recs.edit(a.id, zone_id=zone.id, type="A", name="www", ttl=1, content="192.0.2.2")
assert (b.content, b.ttl, b.comment) == ("192.0.2.2", 1, "c")
c = recs.update(a.id, zone_id=zone.id, type="A", name="www", ttl=300, content="192.0.2.3")
assert (c.content, c.comment) == ("192.0.2.3", None), c
assert recs.get(a.id, zone_id=zone.id).content == "192.0.2.3"
for i in range(25):
    recs.create(zone_id=zone.id, type="TXT", name=f"t{i}", content=f'"v{i}"', ttl=60)
assert len(list(recs.list(zone_id=zone.id, per_page=10))) == 26
assert len(list(recs.list(zone_id=zone.id, name={"startswith": "t1"}))) == 11
assert len(list(recs.list(zone_id=zone.id, type="TXT", content={"exact": '"v3"'}))) == 1
mx = recs.create(zone_id=zone.id, type="MX", name="@", content="mail.example.com", priority=5, ttl=1)
assert mx.priority == 5
srv = recs.create(zone_id=zone.id, type="SRV", name="_x._tcp", data={"priority": 1, "weight": 2, "port": 3, "target": "a.b"}, ttl=1)
assert srv.data.port == 3
batch = recs.batch(zone_id=zone.id, deletes=[{"id": mx.id}], posts=[{"type": "A", "name": "p", "content": "192.0.2.9", "ttl": 1}])
assert batch.posts[0].name == f"p.{name}" and batch.deletes[0].id == mx.id
text = recs.export(zone_id=zone.id)
assert f"www.{name}." in text
imported = recs.import_(zone_id=zone.id, file="imp 300 IN A 192.0.2.77\n")
assert imported.recs_added == 1, imported
settings = cf.dns.settings.zone.edit(zone_id=zone.id, flatten_all_cnames=True)
assert settings.flatten_all_cnames
assert cf.dns.settings.zone.get(zone_id=zone.id).flatten_all_cnames
try:
    recs.create(zone_id=zone.id, type="A", name="www", content="192.0.2.3", ttl=1)
    raise SystemExit("a duplicate was taken")
except BadRequestError as error:
    assert "81058" in str(error), error
deleted = recs.delete(a.id, zone_id=zone.id)
assert deleted.id == a.id
try:
    recs.get(a.id, zone_id=zone.id)
    raise SystemExit("it is still there")
except NotFoundError as error:
    assert "81044" in str(error)
print("all of it works")
