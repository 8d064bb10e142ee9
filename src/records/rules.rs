//! What may stand beside what at a name: the errors of `zonefile/check.rs`, told before anything is stored and with the
//! codes that clients know, and what Cloudflare refuses besides.

use super::{Problem, Record};
use crate::base::limits::TEXTS_MAX;
use crate::base::name::Name;
use crate::base::rtype::{self, RType};
use crate::rdata;

/// The type of a record as it is served: a CNAME that is flattened is an alias.
pub fn served_type(record: &Record, apex: &Name) -> RType {
    let is_alias = record.flatten || record.name == *apex;
    if record.rtype == rtype::CNAME && is_alias { rtype::ALIAS } else { record.rtype }
}

/// Whether `new` may stand beside `others`, the other records of its name.
pub fn check<'r>(
    new: &Record,
    others: impl Iterator<Item = &'r Record> + Clone,
    apex: &Name,
) -> Result<(), Problem> {
    let new_type = served_type(new, apex);
    let types = || others.clone().map(|other| served_type(other, apex));
    if others.clone().any(|other| is_identical(new, other)) {
        return Err(Problem::new(Problem::IDENTICAL, "An identical record already exists."));
    }
    leads_to_itself(new)?;
    let is_address = |t: RType| matches!(t, rtype::A | rtype::AAAA);
    let is_redirect = |t: RType| matches!(t, rtype::CNAME | rtype::ALIAS);
    let host_exists = || {
        let message = "An A, AAAA, or CNAME record with that host already exists.";
        Err(Problem::new(Problem::HOST_EXISTS, message))
    };
    if is_redirect(new_type) && types().any(|t| is_address(t) || is_redirect(t)) {
        return host_exists();
    }
    if is_address(new_type) && types().any(is_redirect) {
        return host_exists();
    }
    if new_type == rtype::CNAME && types().next().is_some() {
        let message = "Records with that host already exist; a CNAME stands alone, unless \
                       settings.flatten_cname makes it an alias.";
        return Err(Problem::new(Problem::HOST_EXISTS, message));
    }
    if types().any(|t| t == rtype::CNAME) {
        let message = "A CNAME record with that host already exists.";
        return Err(Problem::new(Problem::CNAME_EXISTS, message));
    }
    if new_type == rtype::DNAME && types().any(|t| t == rtype::DNAME) {
        return Err(Problem::new(
            Problem::HOST_EXISTS,
            "A DNAME record with that host already exists.",
        ));
    }
    if new.name != *apex {
        delegation(new, new_type, others.clone())?;
    }
    texts(new, others)
}

fn is_identical(new: &Record, other: &Record) -> bool {
    let same = || {
        let (mut a, mut b) = (Vec::new(), Vec::new());
        rdata::canonical(new.rtype, &new.rdata, &mut a);
        rdata::canonical(other.rtype, &other.rdata, &mut b);
        a == b || new.rdata.eq_ignore_ascii_case(&other.rdata) && names_differ_in_case(new, other)
    };
    new.rtype == other.rtype && new.rdata.len() == other.rdata.len() && same()
}

/// Whether data that differs in case does so in names alone, which newer types keep as they are.
fn names_differ_in_case(new: &Record, other: &Record) -> bool {
    let folded = |record: &Record| {
        let mut octets = record.rdata.to_vec();
        for found in rdata::names(record.rtype, &record.rdata) {
            octets[found.at..found.at + found.len].make_ascii_lowercase();
        }
        octets
    };
    folded(new) == folded(other)
}

fn leads_to_itself(new: &Record) -> Result<(), Problem> {
    let leads = matches!(new.rtype, rtype::CNAME | rtype::ALIAS | rtype::DNAME);
    let itself = leads && new.rdata.eq_ignore_ascii_case(new.name.as_wire());
    if itself {
        let rtype = rdata::type_text(new.rtype);
        let message = format!("{rtype} content cannot reference itself.");
        return Err(Problem::new(Problem::SELF_REFERENCE, message));
    }
    Ok(())
}

/// Beside NS records below the apex stands DS, and the address of a nameserver of that very name.
fn delegation<'r>(
    new: &Record,
    new_type: RType,
    others: impl Iterator<Item = &'r Record> + Clone,
) -> Result<(), Problem> {
    let is_glue = |record: &Record, ns: &Record| {
        matches!(record.rtype, rtype::A | rtype::AAAA)
            && ns.rdata.eq_ignore_ascii_case(record.name.as_wire())
    };
    let may = |record: &Record, ns: &Record| {
        matches!(record.rtype, rtype::NS | rtype::DS) || is_glue(record, ns)
    };
    if new_type == rtype::NS {
        if others.clone().any(|other| !may(other, new)) {
            let message = "Non-NS records with that host already exist.";
            return Err(Problem::new(Problem::NON_NS_EXISTS, message));
        }
        return Ok(());
    }
    let mut delegations = others.filter(|other| other.rtype == rtype::NS).peekable();
    if delegations.peek().is_some() && !delegations.any(|ns| may(new, ns)) {
        return Err(Problem::new(Problem::NS_EXISTS, "NS records with that host already exist."));
    }
    Ok(())
}

fn texts<'r>(new: &Record, others: impl Iterator<Item = &'r Record>) -> Result<(), Problem> {
    if new.rtype != rtype::TXT {
        return Ok(());
    }
    let there: usize = others.filter(|o| o.rtype == rtype::TXT).map(|o| o.rdata.len()).sum();
    if there + new.rdata.len() > TEXTS_MAX {
        let message =
            format!("All TXT records of a name have at most {TEXTS_MAX} octets together.");
        return Err(Problem::new(Problem::CONTENT, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::time::UnixTime;
    use crate::base::uuid::Uuid;
    use crate::records::input::Input;

    fn record(rtype: &str, name: &str, content: &str, flatten: bool) -> Record {
        let apex = Name::from_text("zone.example").unwrap();
        let mut value = json!({ "type": rtype, "name": name, "content": content, "priority": 1 });
        if rtype == "CNAME" {
            value["settings"] = json!({ "flatten_cname": flatten });
        }
        let input = Input::from_json(value.as_object().unwrap()).unwrap();
        input.create(&apex, Uuid([1; 16]), UnixTime(1)).unwrap()
    }

    #[test]
    fn beside_each_other() {
        let apex = Name::from_text("zone.example").unwrap();
        let a = || record("A", "w", "192.0.2.1", false);
        let txt = || record("TXT", "w", "x", false);
        let ns = || record("NS", "w", "ns.w.zone.example", false);
        let cname = |flatten| record("CNAME", "w", "t.example", flatten);
        let ds = || record("DS", "w", "1 13 1 abcdef0000000000000000000000000000000000", false);
        for (new, there, code) in [
            (a(), vec![txt(), record("A", "w", "192.0.2.2", false)], None),
            (a(), vec![a()], Some(Problem::IDENTICAL)),
            (record("NS", "w", "NS.W.zone.example", false), vec![ns()], Some(Problem::IDENTICAL)),
            (a(), vec![cname(false)], Some(Problem::HOST_EXISTS)),
            (a(), vec![cname(true)], Some(Problem::HOST_EXISTS)),
            (cname(false), vec![a()], Some(Problem::HOST_EXISTS)),
            (
                cname(true),
                vec![record("CNAME", "w", "u.example", true)],
                Some(Problem::HOST_EXISTS),
            ),
            (cname(false), vec![txt()], Some(Problem::HOST_EXISTS)),
            (cname(true), vec![txt()], None),
            (txt(), vec![cname(false)], Some(Problem::CNAME_EXISTS)),
            (txt(), vec![cname(true)], None),
            (
                record("CNAME", "@", "t.example", false),
                vec![record("MX", "@", "m.example", false)],
                None,
            ),
            (ns(), vec![txt()], Some(Problem::NON_NS_EXISTS)),
            (txt(), vec![ns()], Some(Problem::NS_EXISTS)),
            (ds(), vec![ns()], None),
            (ns(), vec![ds()], None),
            (a(), vec![ns(), record("NS", "w", "w.zone.example", false)], None),
            (record("CNAME", "w", "W.zone.example.", false), vec![], Some(Problem::SELF_REFERENCE)),
        ] {
            let checked = check(&new, there.iter(), &apex);
            assert_eq!(checked.err().map(|p| p.code), code, "{new:?} beside {there:?}");
        }
    }
}
