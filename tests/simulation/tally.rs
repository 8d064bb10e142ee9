//! How often what happened: a simulation in which nothing happens proves nothing.

use bailiwick::store::state::change::AuditEntry;

macro_rules! tally {
    ($($name:ident),*) => {
        #[derive(Clone, Copy, Default, Debug)]
        pub struct Tally { $(pub $name: u64),* }

        impl std::ops::AddAssign for Tally {
            fn add_assign(&mut self, t: Tally) {
                $(self.$name += t.$name;)*
            }
        }

        impl Tally {
            fn all(&self) -> Vec<u64> {
                vec![$(self.$name),*]
            }
        }
    };
}

tally!(
    steps,
    answers,
    crossed,
    denied,
    by_operator,
    by_alias,
    active,
    by_cname,
    by_address,
    by_txt,
    by_http,
    by_partial,
    moved,
    deleted,
    blocked,
    void,
    displaced,
    config,
    failures,
    restarts
);

impl Tally {
    /// Everything that can happen did happen, in a run that is long enough.
    pub fn expect_healthy(self) {
        if self.steps >= 100_000 {
            assert!(self.all().iter().all(|n| *n > 0), "{self:?}");
        }
    }

    pub fn count(&mut self, entry: &AuditEntry) {
        let from = entry.from.as_deref();
        let to = entry.to.as_deref().unwrap_or("");
        if to == "active" && from == Some("pending") {
            self.active += 1;
            let by = |method: &str| u64::from(entry.evidence.starts_with(method));
            self.by_cname += by("cname: ");
            self.by_address += by("address: ");
            self.by_txt += by("txt: ");
            self.by_http += by("http: ");
        }
        self.moved += u64::from(to == "moved");
        self.deleted += u64::from(to == "deleted");
        self.blocked += u64::from(to == "blocked");
        self.void += u64::from(entry.action.starts_with("hostname.owner_changed"));
        self.displaced += u64::from(entry.action.starts_with("hostname.displaced"));
    }
}
