//! The keyring owns what is known of API keys, and publishes it: a request reads the snapshot and asks nobody.
//!
//! It promises: a change is durable before it is in force and before it is answered; changes come one after the other.
//! It never sees a secret: those who make a key hand over its digest. A restart reads all keys from the store; while
//! the store cannot be read, what was known last stays in force. A change that failed may land all the same, and late: so
//! it looks again behind all that the writer has to write, at once, after each failure, and once a minute. When a key was
//! last used is noted in the snapshot and stored once a minute; a crash loses that minute. Mailbox: 64; when it is full the
//! sender is told that it is busy.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use access::{Grant, Invalid, Key, Models, Record, SECRET_BYTES, Scopes};
use actix::{
    Actor, ActorFutureExt, AtomicResponse, Context, Handler, Message, ResponseActFuture, WrapFuture,
};
use supervision::{ActorSpec, AskError, ChildSpec, Life, Mailbox, Snapshot, Start, WhileDown, actor};
use tracing::{info, warn};
use units::{KeyId, UnixMillis};

use crate::blocking;
use crate::writer::{self, Pen};

/// How often it is looked whether there is something to do.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Of so many looks, one reads all keys again and stores their uses; while the snapshot may be stale, each does.
const READS_ONE_IN: u32 = 12;
/// How long a look may wait for the writer: changes wait behind it.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// How long a change may take; the writer has half of it.
const WITHIN: Duration = Duration::from_secs(60);
/// How often an id is drawn anew when it is taken; twice is beyond belief.
const DRAWS: usize = 3;

/// The actor of the keyring.
pub struct Keyring {
    life: Life,
    own: Mailbox<Self>,
    shelf: Shelf,
    /// The last uses that are stored.
    stored: BTreeMap<KeyId, UnixMillis>,
    /// The store may hold what the snapshot does not, now or when the writer comes to it.
    is_stale: bool,
    looks: u32,
}

/// A change on its way into the store.
type Changing = ResponseActFuture<Keyring, Result<(), Error>>;

/// What every generation works with.
#[derive(Clone)]
struct Shelf {
    cell: Arc<Snapshot<access::Keyring>>,
    pen: Pen,
    readers: store::Readers,
}

/// Make this key known.
#[derive(Message)]
#[rtype(result = "Result<(), Error>")]
pub(crate) struct Create(Record);

/// Take a key back.
#[derive(Message)]
#[rtype(result = "Result<Record, Error>")]
pub(crate) struct Revoke(KeyId);

/// Put a new key in the place of another.
#[derive(Message)]
#[rtype(result = "Result<Record, Error>")]
pub(crate) struct Rotate {
    old: KeyId,
    new: Key,
    overlap: Duration,
}

/// Store what was used, and read again what could not be read.
#[derive(Message)]
#[rtype(result = "()")]
struct Look;

/// What is wanted of a new key.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// Which doors it opens.
    pub scopes: Scopes,
    /// How long it lives; `None` for ever.
    pub lifetime: Option<Duration>,
    /// Which models it may use.
    pub models: Models,
    /// Beneath which folders it may work.
    pub roots: Vec<PathBuf>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

/// Why a key is not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No key may grant this.
    #[error(transparent)]
    BadGrant(#[from] access::Error),
    /// There is none of that id.
    #[error("there is no key {0}; `impresario keys list` shows those that there are")]
    NoKey(KeyId),
    /// It opens nothing any more.
    #[error("the key {0} has expired or was revoked: create a new one")]
    Over(KeyId),
    /// As many as there may be.
    #[error("there are {most} keys, which is the most; remove rows of table `api_keys` that are over")]
    TooMany {
        /// The most.
        most: usize,
    },
    /// It could not be stored.
    #[error(transparent)]
    Writer(#[from] writer::Error),
    /// The actor does not answer.
    #[error("the keyring does not answer: {0}")]
    Unreachable(#[from] AskError),
    /// No key could be drawn.
    #[error("no randomness for a key: {0}")]
    Randomness(String),
}

/// Knows keys and changes them. Cloning is cheap.
#[derive(Clone)]
pub struct Keys {
    mailbox: Mailbox<Keyring>,
    cell: Arc<Snapshot<access::Keyring>>,
    clock: clock::Clock,
}

// === Keyring ===

impl Keyring {
    /// The keyring as a child, and what reaches it; `known` are the keys that the store holds.
    pub(crate) fn child(
        known: Vec<Record>,
        pen: Pen,
        readers: store::Readers,
        clock: &clock::Clock,
    ) -> (ChildSpec, Keys) {
        let spec = ActorSpec {
            id: "keyring".to_owned(),
            capacity: 64,
            while_down: WhileDown::Keep,
            clock: clock.clone(),
        };
        for Record { grant, revoked_at, .. } in &known {
            if revoked_at.is_none() && grant.is_confined_admin() {
                let reason = access::Invalid::ConfinedAdmin;
                warn!(key.id = %grant.id, %reason, "a key of an earlier version opens nothing");
            }
        }
        let known = access::Keyring::new(known, &access::Keyring::default());
        let cell = Arc::new(Snapshot::new(known));
        let shelf = Shelf { cell: cell.clone(), pen, readers };
        let (child, mailbox) = actor(spec, move |start: Start<Self>| {
            let shelf = shelf.clone();
            async move {
                // Stale until it has looked behind the writer: what the one before it changed may still be on its way.
                // That look tells what is wrong, if something is.
                let _ = shelf.read().await;
                let stored = BTreeMap::new();
                Ok(Self { life: start.life, own: start.mailbox, shelf, stored, is_stale: true, looks: 0 })
            }
        });
        (child.cell(cell.clone()), Keys { mailbox, cell, clock: clock.clone() })
    }

    fn now(&self) -> UnixMillis {
        self.life.clock().wall()
    }

    /// Stores a change, and then puts what it makes of these keys in force.
    fn change(&self, change: store::KeyChange, records: Vec<Record>) -> Changing {
        let shelf = self.shelf.clone();
        let stored = async move {
            let written = shelf.pen.write(|reply| store::Write::Keys { change, reply }).await;
            if written.is_ok() {
                let keys = shelf.cell.load_full();
                let keys = records.into_iter().fold((*keys).clone(), |keys, record| keys.with(record));
                shelf.cell.publish(keys);
                return (Ok(()), false);
            }
            // It may have been written all the same, or be written when the writer comes to it.
            let _ = shelf.read().await;
            (written.map_err(Error::from), true)
        };
        Box::pin(stored.into_actor(self).map(|(outcome, is_stale), this: &mut Self, _| {
            this.is_stale |= is_stale;
            outcome
        }))
    }
}

impl Shelf {
    /// Stores these uses, and then puts in force what the store holds behind all that was handed to the writer before.
    async fn look(&self, uses: Vec<(KeyId, UnixMillis)>) -> Result<(), String> {
        let written = if uses.is_empty() {
            self.pen.flush().await
        } else {
            let change = store::KeyChange::Used(uses);
            self.pen.write(|reply| store::Write::Keys { change, reply }).await
        };
        written.map_err(|error| error.to_string())?;
        self.read().await.map_err(|error| error.to_string())
    }

    /// Puts in force what the store holds.
    async fn read(&self) -> Result<(), store::Error> {
        let readers = self.readers.clone();
        match blocking(move || readers.keys()).await {
            Ok(records) => {
                let known = access::Keyring::new(records, &self.cell.load());
                self.cell.publish(known);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

impl Actor for Keyring {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let (clock, own) = (self.life.clock().clone(), self.own.clone());
        self.life.spawn(async move {
            loop {
                // A full mailbox is looked at soon enough.
                let _ = own.tell(Look);
                clock.sleep(LOOK_EVERY).await;
            }
        });
    }
}

impl Handler<Create> for Keyring {
    type Result = AtomicResponse<Self, Result<(), Error>>;

    fn handle(&mut self, Create(record): Create, _: &mut Self::Context) -> Self::Result {
        if self.shelf.cell.load().len() >= access::MAX_KEYS {
            let refused = Err(Error::TooMany { most: access::MAX_KEYS });
            return AtomicResponse::new(Box::pin(async { refused }.into_actor(self)));
        }
        info!(key.id = %record.grant.id, scopes = %record.grant.scopes, "a key is made");
        AtomicResponse::new(self.change(store::KeyChange::Create(Box::new(record.clone())), vec![record]))
    }
}

impl Handler<Revoke> for Keyring {
    type Result = AtomicResponse<Self, Result<Record, Error>>;

    fn handle(&mut self, Revoke(id): Revoke, _: &mut Self::Context) -> Self::Result {
        let Some(record) = self.shelf.cell.load().get(&id) else {
            let refused = Err(Error::NoKey(id));
            return AtomicResponse::new(Box::pin(async { refused }.into_actor(self)));
        };
        let at = self.now();
        let revoked = Record { revoked_at: record.revoked_at.or(Some(at)), ..record };
        info!(key.id = %id, "a key is revoked");
        let change = self.change(store::KeyChange::Revoke { id, at }, vec![revoked.clone()]);
        answering(change, revoked)
    }
}

impl Handler<Rotate> for Keyring {
    type Result = AtomicResponse<Self, Result<Record, Error>>;

    fn handle(&mut self, Rotate { old, new, overlap }: Rotate, _: &mut Self::Context) -> Self::Result {
        let now = self.now();
        let rotated = match self.shelf.cell.load().get(&old) {
            None => Err(Error::NoKey(old.clone())),
            Some(record) if record.is_over(now) => Err(Error::Over(old.clone())),
            Some(_) if self.shelf.cell.load().len() >= access::MAX_KEYS => {
                Err(Error::TooMany { most: access::MAX_KEYS })
            }
            Some(record) => Ok(rotated(record, &new, now, overlap)),
        };
        let (before, after) = match rotated {
            Ok(records) => records,
            Err(refused) => return AtomicResponse::new(Box::pin(async { Err(refused) }.into_actor(self))),
        };
        info!(key.id = %after.grant.id, key.before = %old, "a key is rotated");
        let until = now.plus(overlap);
        let change = store::KeyChange::Rotate { new: Box::new(after.clone()), old, until };
        let change = self.change(change, vec![before, after.clone()]);
        answering(change, after)
    }
}

impl Handler<Look> for Keyring {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Look, _: &mut Self::Context) -> Self::Result {
        let is_due = self.looks.is_multiple_of(READS_ONE_IN);
        self.looks = self.looks.wrapping_add(1);
        if !is_due && !self.is_stale {
            return AtomicResponse::new(Box::pin(async {}.into_actor(self)));
        }
        let (shelf, clock) = (self.shelf.clone(), self.life.clock().clone());
        let is_new = !self.is_stale || self.looks == 1;
        let uses = shelf.cell.load().uses(&self.stored);
        let looked = async move {
            let looked = clock.timeout(LOOK_WITHIN, shelf.look(uses.clone())).await;
            let failed = match looked {
                Ok(Ok(())) => return (false, uses),
                Ok(Err(error)) => error,
                Err(clock::Elapsed) => "the writer does not come to it".to_owned(),
            };
            if is_new {
                warn!(error = failed, "the keys cannot be read: those that were known stay in force");
            }
            (true, Vec::new())
        };
        AtomicResponse::new(Box::pin(looked.into_actor(self).map(|(is_stale, uses), this, _| {
            this.is_stale = is_stale;
            this.stored.extend(uses);
        })))
    }
}

/// A change that is answered with what it made.
fn answering(change: Changing, record: Record) -> AtomicResponse<Keyring, Result<Record, Error>> {
    AtomicResponse::new(Box::pin(change.map(move |outcome, _, _| outcome.map(|()| record))))
}

/// The old key with its shorter life, and the new one: it grants the same, and lives as long as the old one was to.
fn rotated(old: Record, new: &Key, now: UnixMillis, overlap: Duration) -> (Record, Record) {
    let until = now.plus(overlap);
    let lifetime = old.grant.expires_at.map(|end| end.0.saturating_sub(old.created_at.0));
    let after = Record {
        grant: Grant {
            id: new.id.clone(),
            expires_at: lifetime.map(|millis| UnixMillis(now.0.saturating_add(millis))),
            ..old.grant.clone()
        },
        digest: new.digest,
        created_at: now,
        revoked_at: None,
        last_used_at: None,
        rotated_from: Some(old.grant.id.clone()),
    };
    let end = old.grant.expires_at.map_or(until, |end| end.min(until));
    let before = Record { grant: Grant { expires_at: Some(end), ..old.grant.clone() }, ..old };
    (before, after)
}

// === Keys ===

impl Keys {
    /// What this key grants now; asks nobody.
    ///
    /// # Errors
    /// Why it grants nothing.
    pub fn resolve(&self, text: &str) -> Result<Arc<Grant>, Invalid> {
        self.cell.load().resolve(text, self.clock.wall())
    }

    /// Whether a key opens anything now.
    pub fn has_valid(&self) -> bool {
        self.cell.load().has_valid(self.clock.wall())
    }

    /// Whether the key of this id opens anything now.
    pub fn opens(&self, id: &KeyId) -> bool {
        self.cell.load().get(id).is_some_and(|record| !record.is_over(self.clock.wall()))
    }

    /// All keys, the newest first; those that are over among them.
    pub fn records(&self) -> Vec<Record> {
        self.cell.load().records()
    }

    /// Makes a key; it is durable and in force when it comes back. Its text is to be shown once and then forgotten.
    ///
    /// # Errors
    /// When no key may grant this, there are too many, or it cannot be stored.
    pub async fn create(&self, new: NewKey) -> Result<(Key, Record), Error> {
        let now = self.clock.wall();
        for _ in 0..DRAWS {
            let key = draw()?;
            let record = Record {
                grant: Grant {
                    id: key.id.clone(),
                    name: new.name.clone(),
                    scopes: new.scopes,
                    expires_at: new.lifetime.map(|lifetime| now.plus(lifetime)),
                    models: new.models.clone(),
                    roots: new.roots.clone(),
                    tags: new.tags.clone(),
                },
                digest: key.digest,
                created_at: now,
                revoked_at: None,
                last_used_at: None,
                rotated_from: None,
            };
            record.grant.check()?;
            match self.mailbox.ask(Create(record.clone()), WITHIN).await? {
                Ok(()) => return Ok((key, record)),
                Err(Error::Writer(writer::Error::Refused(store::WriteError::KeyExists { .. }))) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::Randomness("the ids that were drawn are all taken".to_owned()))
    }

    /// Takes a key back; from then on it opens nothing. One that was taken back before stays as it was.
    ///
    /// # Errors
    /// When there is none of that id, or it cannot be stored: then it still opens.
    pub async fn revoke(&self, id: &KeyId) -> Result<Record, Error> {
        self.mailbox.ask(Revoke(id.clone()), WITHIN).await?
    }

    /// Makes a key that grants the same as `old`, which goes on for `overlap` and then expires.
    ///
    /// # Errors
    /// When there is none of that id, it opens nothing any more, or the new one cannot be stored.
    pub async fn rotate(&self, old: &KeyId, overlap: Duration) -> Result<(Key, Record), Error> {
        let new = draw()?;
        let record =
            self.mailbox.ask(Rotate { old: old.clone(), new: new.clone(), overlap }, WITHIN).await??;
        Ok((new, record))
    }
}

fn draw() -> Result<Key, Error> {
    let no_randomness = |error: getrandom::Error| Error::Randomness(error.to_string());
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(no_randomness)?;
    Ok(Key::from_random(getrandom::u64().map_err(no_randomness)?, &secret))
}
