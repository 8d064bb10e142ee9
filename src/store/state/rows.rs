//! Rows of the database to objects and back. A row that makes no sense is damage, never a guess.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use rusqlite::{Row as SqlRow, named_params};

use super::change::{Account, AuditEntry, Object, Token, Zone};
use crate::base::id::{AccountId, ZoneId};
use crate::base::name::Name;
use crate::base::time::UnixTime;
use crate::base::uuid::Uuid;
use crate::hostname::errors::VerificationError;
use crate::hostname::fallback::FallbackOrigin;
use crate::hostname::grants::{Row, RowState};
use crate::hostname::hold::Hold;
use crate::hostname::lifecycle;
use crate::hostname::object::{CustomHostname, Failures, Hostname, LastCheck, Owner, Proof};
use crate::hostname::proof::Tokens;

/// A value of ours as it stands in a column.
pub struct Column<T>(pub T);

macro_rules! number {
    ($type:ident, $inner:ty) => {
        impl ToSql for Column<$type> {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                let number = i64::try_from(self.0.0).unwrap_or(i64::MAX);
                Ok(ToSqlOutput::Owned(Value::Integer(number)))
            }
        }

        impl FromSql for Column<$type> {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let number = value.as_i64()?;
                let number = <$inner>::try_from(number);
                number.map(|n| Column($type(n))).map_err(|_| FromSqlError::InvalidType)
            }
        }
    };
}

number!(AccountId, u32);
number!(ZoneId, u32);
number!(UnixTime, u64);

impl ToSql for Column<Uuid> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0.0)))
    }
}

impl FromSql for Column<Uuid> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(Column(Uuid(octets(value)?)))
    }
}

fn octets<const N: usize>(value: ValueRef<'_>) -> FromSqlResult<[u8; N]> {
    value.as_blob()?.try_into().map_err(|_| FromSqlError::InvalidType)
}

/// Text that a type reads and prints.
struct Word<T>(T);

macro_rules! word {
    ($($type:ty),*) => {
        $(impl FromSql for Word<$type> {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let parsed = value.as_str()?.parse();
                parsed.map(Word).map_err(|e| FromSqlError::Other(Box::new(e)))
            }
        })*
    };
}

word!(
    crate::hostname::object::Status,
    crate::hostname::object::Method,
    crate::hostname::object::Block,
    crate::hostname::fallback::Status
);

impl FromSql for Word<Name> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = Name::from_text(value.as_str()?);
        name.map(Word).map_err(|e| FromSqlError::Other(Box::new(e)))
    }
}

pub(super) fn wrong() -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Null, "no such row".into())
}

pub fn account(row: &SqlRow<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        id: row.get::<_, Column<_>>("id")?.0,
        name: row.get("name")?,
        created_at: row.get::<_, Column<_>>("created_at")?.0,
        settings: row.get("settings")?,
    })
}

pub fn zone(row: &SqlRow<'_>) -> rusqlite::Result<Zone> {
    Ok(Zone {
        id: row.get::<_, Column<_>>("id")?.0,
        apex: row.get::<_, Word<_>>("apex")?.0,
        account: row.get::<_, Column<_>>("account")?.0,
        created_at: row.get::<_, Column<_>>("created_at")?.0,
        settings: row.get("settings")?,
    })
}

pub fn fallback(row: &SqlRow<'_>) -> rusqlite::Result<FallbackOrigin> {
    Ok(FallbackOrigin {
        zone: row.get::<_, Column<_>>("zone")?.0,
        origin: row.get::<_, Word<_>>("origin")?.0,
        status: row.get::<_, Word<_>>("status")?.0,
        since: row.get::<_, Column<_>>("since")?.0,
        created_at: row.get::<_, Column<_>>("created_at")?.0,
        updated_at: row.get::<_, Column<_>>("updated_at")?.0,
        asserted: row.get("asserted")?,
    })
}

pub fn hold(row: &SqlRow<'_>) -> rusqlite::Result<Hold> {
    let zone = row.get::<_, Column<_>>("zone")?.0;
    Ok(Hold {
        owner: Owner { zone, account: row.get::<_, Column<_>>("account")?.0 },
        include_subdomains: row.get("subdomains")?,
        after: row.get::<_, Option<Column<_>>>("after")?.map(|c| c.0),
    })
}

pub fn token(row: &SqlRow<'_>) -> rusqlite::Result<Token> {
    let created_at = row.get::<_, Column<_>>("created_at")?.0;
    Ok(Token {
        id: row.get::<_, Column<_>>("id")?.0,
        name: row.get("name")?,
        account: row.get::<_, Option<Column<_>>>("account")?.map(|c| c.0),
        hash: octets(row.get_ref("hash")?)?,
        read_only: row.get("read_only")?,
        created_at,
        modified_at: row.get::<_, Option<Column<_>>>("modified_at")?.map_or(created_at, |c| c.0),
        parent: row.get::<_, Option<Column<_>>>("parent")?.map(|c| c.0),
        expires_at: row.get::<_, Option<Column<_>>>("expires_at")?.map(|c| c.0),
        scope: serde_json::from_str(row.get_ref("scope")?.as_str()?).map_err(|_| wrong())?,
    })
}

pub fn audit(row: &SqlRow<'_>) -> rusqlite::Result<(u64, AuditEntry)> {
    let entry = AuditEntry {
        at: row.get::<_, Column<_>>("at")?.0,
        actor: row.get("actor")?,
        account: row.get::<_, Option<Column<_>>>("account")?.map(|c| c.0),
        zone: row.get::<_, Option<Column<_>>>("zone")?.map(|c| c.0),
        hostname: row.get::<_, Option<Column<_>>>("hostname")?.map(|c| c.0),
        action: row.get("action")?,
        from: row.get("from_status")?,
        to: row.get("to_status")?,
        evidence: row.get("evidence")?,
    };
    Ok((row.get::<_, i64>("seq")? as u64, entry))
}

/// The CRC of what decides about a grant: what a disk changed silently grants nothing.
fn sum(text: &str, provider: Owner, status: &str, owner: Option<Owner>) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(text.as_bytes());
    crc.update(&[0]);
    crc.update(status.as_bytes());
    for owner in [Some(provider), owner] {
        let ids = owner.map_or([u32::MAX; 2], |o| [o.zone.0, o.account.0]);
        ids.iter().for_each(|id| crc.update(&id.to_le_bytes()));
    }
    crc.finalize()
}

/// The columns of `grant_row`.
pub const GRANT_COLUMNS: &str = "hostname, zone, account, status, owner_zone, owner_account, sum";

/// What decides about a grant, of a row with `GRANT_COLUMNS` in that order.
pub fn grant_row(row: &SqlRow<'_>) -> rusqlite::Result<Option<Row>> {
    let text = row.get_ref(0)?.as_str()?;
    let provider =
        Owner { zone: row.get::<_, Column<_>>(1)?.0, account: row.get::<_, Column<_>>(2)?.0 };
    let status = row.get_ref(3)?.as_str()?;
    let zone = row.get::<_, Option<Column<ZoneId>>>(4)?;
    let account = row.get::<_, Option<Column<AccountId>>>(5)?;
    let owner = zone.zip(account).map(|(z, a)| Owner { zone: z.0, account: a.0 });
    if row.get::<_, u32>(6)? != sum(text, provider, status, owner) {
        return Err(wrong());
    }
    let state = match status.parse().map_err(|_| wrong())? {
        crate::hostname::object::Status::Blocked => RowState::Blocked,
        status if status.is_grant() => RowState::Active { owner },
        _ => return Ok(None),
    };
    let hostname = Hostname::of(&Name::from_text(text).map_err(|_| wrong())?);
    Ok(Some(Row { hostname, provider, state }))
}

pub fn withdrawn(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    let name: Word<Name> = row.get("hostname")?;
    let zone = row.get::<_, Column<_>>("zone")?.0;
    let provider = Owner { zone, account: row.get::<_, Column<_>>("account")?.0 };
    let state = RowState::Withdrawn(row.get::<_, Column<_>>("at")?.0);
    Ok(Row { hostname: Hostname::of(&name.0), provider, state })
}

pub fn hostname(row: &SqlRow<'_>) -> rusqlite::Result<CustomHostname> {
    let time = |column: &str| -> rusqlite::Result<Option<UnixTime>> {
        Ok(row.get::<_, Option<Column<_>>>(column)?.map(|c| c.0))
    };
    let name: Word<Name> = row.get("hostname")?;
    let provider = Owner {
        zone: row.get::<_, Column<_>>("zone")?.0,
        account: row.get::<_, Column<_>>("account")?.0,
    };
    let zone = row.get::<_, Option<Column<ZoneId>>>("owner_zone")?;
    let account = row.get::<_, Option<Column<AccountId>>>("owner_account")?;
    let owner = zone.zip(account).map(|(z, a)| Owner { zone: z.0, account: a.0 });
    let status = row.get::<_, Word<crate::hostname::object::Status>>("status")?.0;
    let text = row.get_ref("hostname")?.as_str()?;
    if row.get::<_, u32>("sum")? != sum(text, provider, status.word(), owner) {
        return Err(wrong());
    }
    let method = row.get::<_, Option<Word<_>>>("proof")?;
    let proof = match (method, time("proved_at")?, row.get::<_, Option<i64>>("sequence")?) {
        (Some(Word(method)), Some(at), Some(sequence)) => {
            Some(Proof { method, at, sequence: sequence as u64, owner })
        }
        (None, None, None) => None,
        _ => return Err(wrong()),
    };
    let failures: Option<u32> = row.get("failures")?;
    let failures = failures.zip(time("failing_since")?);
    let saw: Option<String> = row.get("check_saw")?;
    let method = row.get::<_, Option<Word<_>>>("check_method")?.map(|w| w.0);
    let last_check = saw.zip(time("check_at")?).map(|(saw, at)| LastCheck { method, saw, at });
    let errors = row.get_ref("errors")?.as_str()?;
    let errors = errors.lines().map(|l| VerificationError::from_text(l).ok_or_else(wrong));
    Ok(CustomHostname {
        id: row.get::<_, Column<_>>("id")?.0,
        hostname: Hostname::of(&name.0),
        provider,
        status,
        since: row.get::<_, Column<_>>("since")?.0,
        created_at: row.get::<_, Column<_>>("created_at")?.0,
        tokens: Tokens {
            txt: row.get::<_, Column<_>>("txt_token")?.0,
            http: row.get::<_, Column<_>>("http_token")?.0,
        },
        revision: row.get("revision")?,
        attempts: row.get("attempts")?,
        next_check_at: time("next_check_at")?,
        proof,
        failures: failures.map(|(count, since)| Failures { count, since }),
        block: row.get::<_, Option<Word<_>>>("block")?.map(|w| w.0),
        errors: errors.collect::<rusqlite::Result<_>>()?,
        last_check,
    })
}

/// The labels from the top down. Labels of hostnames have no dots.
pub fn downward(hostname: &Hostname) -> String {
    let text = hostname.to_string();
    let labels: Vec<&str> = text.rsplit('.').collect();
    labels.join(".")
}

/// Writes a hostname, by its id.
pub fn put_hostname(
    connection: &rusqlite::Connection,
    hostname: &CustomHostname,
) -> rusqlite::Result<usize> {
    let h = hostname;
    let text = h.hostname.to_string();
    let owner = h.proof.and_then(|p| p.owner);
    let lines: Vec<String> = h.errors.iter().map(ToString::to_string).collect();
    let mut put = connection.prepare_cached(
        "INSERT INTO hostnames (id, hostname, downward, zone, account, status, since, created_at,
            txt_token, http_token, revision, attempts, next_check_at, due_at, proof, proved_at,
            sequence, owner_zone, owner_account, failures, failing_since, block, errors,
            check_method, check_saw, check_at, sum)
         VALUES (:id, :hostname, :downward, :zone, :account, :status, :since, :created_at,
            :txt_token, :http_token, :revision, :attempts, :next_check_at, :due_at, :proof,
            :proved_at, :sequence, :owner_zone, :owner_account, :failures, :failing_since, :block,
            :errors, :check_method, :check_saw, :check_at, :sum)
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, since = excluded.since,
            txt_token = excluded.txt_token, http_token = excluded.http_token,
            revision = excluded.revision, attempts = excluded.attempts,
            next_check_at = excluded.next_check_at, due_at = excluded.due_at,
            proof = excluded.proof, proved_at = excluded.proved_at, sequence = excluded.sequence,
            owner_zone = excluded.owner_zone, owner_account = excluded.owner_account,
            failures = excluded.failures, failing_since = excluded.failing_since,
            block = excluded.block, errors = excluded.errors,
            check_method = excluded.check_method, check_saw = excluded.check_saw,
            check_at = excluded.check_at, sum = excluded.sum
         WHERE hostname = excluded.hostname AND zone = excluded.zone",
    )?;
    let time = |t: Option<UnixTime>| t.map(Column);
    put.execute(named_params! {
        ":id": Column(h.id),
        ":hostname": text,
        ":downward": downward(&h.hostname),
        ":zone": Column(h.provider.zone),
        ":account": Column(h.provider.account),
        ":status": h.status.word(),
        ":since": Column(h.since),
        ":created_at": Column(h.created_at),
        ":txt_token": Column(h.tokens.txt),
        ":http_token": Column(h.tokens.http),
        ":revision": h.revision,
        ":attempts": h.attempts,
        ":next_check_at": time(h.next_check_at),
        ":due_at": time(lifecycle::next_at(h)),
        ":proof": h.proof.map(|p| p.method.word()),
        ":proved_at": time(h.proof.map(|p| p.at)),
        ":sequence": h.proof.map(|p| p.sequence as i64),
        ":owner_zone": owner.map(|o| o.zone.0),
        ":owner_account": owner.map(|o| o.account.0),
        ":failures": h.failures.map(|f| f.count),
        ":failing_since": time(h.failures.map(|f| f.since)),
        ":block": h.block.map(|b| b.word()),
        ":errors": lines.join("\n"),
        ":check_method": h.last_check.as_ref().and_then(|c| c.method).map(|m| m.word()),
        ":check_saw": h.last_check.as_ref().map(|c| &c.saw),
        ":check_at": time(h.last_check.as_ref().map(|c| c.at)),
        ":sum": sum(&text, h.provider, h.status.word(), owner),
    })
}

/// An object of the change log: a kind and its id.
pub fn object_out(object: Object) -> (u8, Vec<u8>) {
    let id = |id: u32| id.to_le_bytes().to_vec();
    match object {
        Object::Account(AccountId(a)) => (1, id(a)),
        Object::Zone(ZoneId(z)) => (2, id(z)),
        Object::Hostname(Uuid(octets)) => (3, octets.to_vec()),
        Object::Fallback(ZoneId(z)) => (4, id(z)),
        Object::Hold(ZoneId(z)) => (5, id(z)),
        Object::Token(Uuid(octets)) => (6, octets.to_vec()),
        Object::Withdrawn => (7, Vec::new()),
        Object::Content(ZoneId(z)) => (8, id(z)),
    }
}

/// The object of a kind and an id.
pub fn object_in(kind: u8, id: &[u8]) -> rusqlite::Result<Object> {
    let number = || id.try_into().map(u32::from_le_bytes).map_err(|_| wrong());
    let uuid = || id.try_into().map(Uuid).map_err(|_| wrong());
    Ok(match kind {
        1 => Object::Account(AccountId(number()?)),
        2 => Object::Zone(ZoneId(number()?)),
        3 => Object::Hostname(uuid()?),
        4 => Object::Fallback(ZoneId(number()?)),
        5 => Object::Hold(ZoneId(number()?)),
        6 => Object::Token(uuid()?),
        7 => Object::Withdrawn,
        8 => Object::Content(ZoneId(number()?)),
        _ => return Err(wrong()),
    })
}
