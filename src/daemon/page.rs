//! The block page in the life of the server: bound with the doors, served beside them.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tracing::{error, info};

use super::{Asker, World};
use crate::page::serve::{self, Ask, Door, Site};
use crate::transport::room::Ask as _;

/// Binds the address of the block page, before root is left behind. Questions are answered also if that fails.
pub fn bind(address: SocketAddr) -> Option<TcpListener> {
    let bound = serve::bind(address);
    let failed = |error: &std::io::Error| {
        error!(event = "page-not-served", page = %address, %error,
            "cannot listen on block_page.listen: names are denied without a page");
    };
    bound.inspect_err(failed).ok()
}

/// Starts to serve the page of denied names.
pub(super) fn open(world: &mut World) -> Option<Door> {
    let listener = world.page.take()?;
    let address = listener.local_addr().ok()?;
    let ask = world.outside.as_ref().map(|outside| {
        let asker = Asker(outside.started.service.clone());
        let ask: Ask = Box::new(move |(key, account), waiter| asker.ask(key, account, waiter));
        ask
    });
    let settings = world.settings.clone();
    let status = Box::new(move || settings.borrow().block_page.status);
    let site = Site { published: Arc::clone(&world.published), ask, status };
    match serve::open(listener, site) {
        Ok(door) => {
            info!(event = "page", page = %address, "serving the block page");
            Some(door)
        }
        Err(error) => {
            error!(event = "page-not-served", %error, "cannot serve the block page");
            None
        }
    }
}
