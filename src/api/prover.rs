//! Carries out looks at claimed zones: asks the publisher what is due, looks outside, and brings back what was seen.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::control::claims::Quest;
use crate::control::command::{Command, Handle, Job};
use crate::outside::delegation::Eyes;
use crate::outside::upstream::Upstreams;
use crate::policy::claims::{Lookup, Seen};

/// How often is asked what is due.
const EVERY: Duration = Duration::from_secs(1);
/// Looks at once.
const AT_ONCE: usize = 32;
/// Where nameservers listen.
pub const PORT: u16 = 53;

/// With what is looked: as it is now, since a reload may change it.
pub struct Means {
    pub upstreams: Arc<Upstreams>,
    /// Servers of parents may have private addresses.
    pub allow_special: bool,
}

/// Looks until the publisher ends. `port`: where servers of parents listen.
pub async fn run(publisher: Handle, means: impl Fn() -> Means, port: u16) {
    loop {
        sleep(EVERY).await;
        let (tell, told) = oneshot::channel();
        let job = Job::new(
            |world, now| world.quests(now, AT_ONCE),
            move |quests| drop(tell.send(quests.unwrap_or_default())),
        );
        match publisher.try_send(Command::Job(job)) {
            Ok(()) => {}
            Err(std::sync::mpsc::TrySendError::Full(_)) => continue,
            Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return,
        }
        let Ok(quests) = told.await else { return };
        let Means { upstreams, allow_special } = means();
        let eyes = Eyes { upstreams: &upstreams, allow_special, port };
        let mut looks: FuturesUnordered<_> = quests.into_iter().map(|q| look(&eyes, q)).collect();
        while let Some((zone, seen)) = looks.next().await {
            let job = Job::new(move |world, now| world.claim_seen(zone, &seen, now), drop);
            // A result that finds no room is looked for again later.
            let _ = publisher.try_send(Command::Job(job));
        }
    }
}

async fn look(eyes: &Eyes<'_>, quest: Quest) -> (crate::base::id::ZoneId, Seen) {
    let delegation = async {
        match quest.delegation {
            Some(known) => known,
            None => of(eyes.delegation(&quest.apex).await),
        }
    };
    let texts = async {
        match (quest.texts, &quest.txt_name) {
            (Some(known), _) => known,
            (None, Some(name)) => of(eyes.texts(name).await),
            (None, None) => Lookup::Answered(Vec::new()),
        }
    };
    let (delegation, texts) = tokio::join!(delegation, texts);
    (quest.zone, Seen { delegation, texts })
}

fn of<T>(result: Result<T, String>) -> Lookup<T> {
    result.map_or_else(Lookup::NoAnswer, Lookup::Answered)
}
