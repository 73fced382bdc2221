//! The disk of the state folder: whether it has room for more, looked at before a workflow starts and once a minute.
//!
//! It owns nothing but the memory of what it said last: a disk that runs low is logged once, and once when it has room
//! again. What runs already goes on. A restart looks anew. Mailbox: 1, it takes no messages.

use std::path::PathBuf;
use std::time::Duration;

use actix::{Actor, Context};
use supervision::{ActorSpec, ChildSpec, Life, Start, WhileDown, actor};
use tracing::{error, info};

use crate::blocking;

/// How often the disk is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// The actor that looks.
pub struct Disk {
    life: Life,
    room: Room,
}

/// Where the room is, and how much of it there has to be. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Room {
    /// A folder of the disk; it exists.
    pub folder: PathBuf,
    /// The bytes that have to be free for a workflow to start; 0 asks for none.
    pub floor: u64,
}

/// There is too little.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the disk of the state folder has {} MB free, and a workflow starts only with {} MB (`disk.min_free_mb`): make \
     room there; `impresario purge --older-than DAYS` removes finished workflows", .free >> 20, .needed >> 20
)]
pub struct Low {
    /// What is free, in bytes.
    pub free: u64,
    /// What has to be, in bytes.
    pub needed: u64,
}

impl Room {
    /// Refuses when there is too little. A disk that cannot be looked at is not held to be full.
    ///
    /// # Errors
    /// [`Low`] with what is free.
    pub async fn check(&self) -> Result<(), Low> {
        let folder = self.folder.clone();
        match blocking(move || workspace::free_bytes(&folder)).await {
            Ok(free) if free < self.floor => Err(Low { free, needed: self.floor }),
            Ok(_) => Ok(()),
            Err(error) => {
                error!(%error, "the state folder's disk cannot be looked at");
                Ok(())
            }
        }
    }
}

impl Disk {
    /// The one who looks, as a child.
    pub(crate) fn child(room: Room, clock: &clock::Clock) -> ChildSpec {
        let spec = ActorSpec {
            id: "disk".to_owned(),
            capacity: 1,
            while_down: WhileDown::Refuse,
            clock: clock.clone(),
        };
        let (child, _) = actor(spec, move |start: Start<Self>| {
            let room = room.clone();
            async move { Ok(Self { life: start.life, room }) }
        });
        child
    }
}

impl Actor for Disk {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let (room, clock) = (self.room.clone(), self.life.clock().clone());
        self.life.spawn(async move {
            let mut was_low = false;
            loop {
                let low = room.check().await.err();
                match low {
                    Some(low) if !was_low => {
                        error!(free = low.free, needed = low.needed, "the disk runs low: no workflow starts");
                    }
                    None if was_low => info!("the disk has room again: workflows start"),
                    Some(_) | None => {}
                }
                was_low = low.is_some();
                clock.sleep(LOOK_EVERY).await;
            }
        });
    }
}
