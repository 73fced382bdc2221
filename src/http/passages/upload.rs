//! A form that goes out while it comes in: of one that is as large as it may be, what lies here is its beginning.

use std::pin::pin;

use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use gateway::{Gateway, Pass, Upload};
use tokio::sync::{mpsc, oneshot};
use units::ModelName;
use wire::Invalid;
use wire::form::{Form, Piece};

use super::{Held, MODEL_HEADER};
use crate::http::Refusal;
use crate::http::dialects::Ended;
use crate::http::pouring::Spout;
use gateway::Out;

/// The most of a form that is held back until it has named the model.
const MAX_HELD: usize = 1024 * 1024;
/// How many pieces wait for their provider.
const WAITING: usize = 1;

/// A form as it comes in.
pub(super) struct Source {
    payload: Payload,
    form: Form,
    /// How many bytes may come, and how many have.
    most: usize,
    bytes: usize,
    pieces: Vec<Piece>,
    has_ended: bool,
}

pub(super) async fn ask(
    gateway: Gateway,
    held: Held,
    mut source: Source,
    content_type: String,
    mut spout: Spout,
) -> Ended {
    let model = match &held.model {
        Some(model) => model.clone(),
        None if held.account.is_some() => String::new(),
        None => match source.model().await {
            Ok(model) => model,
            Err(ended) => return ended,
        },
    };
    let (sender, pieces) = mpsc::channel(WAITING);
    let (named, name) = oneshot::channel();
    let upload = Some(Upload { content_type, pieces, named });
    let ended = {
        let passing = pin!(gateway.pass(Pass { upload, ..held.pass(&model) }, &mut spout));
        let pumping = pin!(source.pump(name, sender));
        match select(passing, pumping).await {
            Either::Left((ended, _)) => Ok(ended),
            Either::Right((Ok(()), passing)) => Ok(passing.await),
            // The call is dropped, and its provider sees no end.
            Either::Right((Err(ended), _)) => Err(ended),
        }
    };
    match ended {
        Ok(ended) => ended.into(),
        Err(ended) => {
            spout.cut();
            ended
        }
    }
}

impl Source {
    pub(super) fn new(payload: Payload, form: Form, most: usize) -> Self {
        Self { payload, form, most, bytes: 0, pieces: Vec::new(), has_ended: false }
    }

    /// The model that the form names; what stands before it is held.
    async fn model(&mut self) -> Result<String, Ended> {
        let late = || {
            let rule = format!(
                "must stand among the first {MAX_HELD} bytes of the form, before its files, or in the header {MODEL_HEADER}"
            );
            Ended::Invalid(Invalid::new("model", rule))
        };
        loop {
            let named = self.pieces.iter().find_map(|piece| match piece {
                Piece::Model(name) => Some(name.clone()),
                Piece::Bytes(_) => None,
            });
            if let Some(name) = named {
                return Ok(name);
            }
            if self.bytes > MAX_HELD || self.has_ended {
                return Err(late());
            }
            self.read().await?;
        }
    }

    /// Hands the form on, with this name in place of the client's.
    async fn pump(
        mut self,
        name: oneshot::Receiver<Option<ModelName>>,
        sender: mpsc::Sender<Bytes>,
    ) -> Result<(), Ended> {
        // Nobody is asked, which whoever looked for somebody says better.
        let Ok(name) = name.await else { return Ok(()) };
        loop {
            let mut bytes = BytesMut::new();
            for piece in self.pieces.drain(..) {
                match piece {
                    Piece::Bytes(passed) => bytes.extend_from_slice(&passed),
                    Piece::Model(theirs) => {
                        let name = name.as_ref().map_or(theirs.as_str(), ModelName::as_str);
                        bytes.extend_from_slice(name.as_bytes());
                    }
                }
            }
            if !bytes.is_empty() && sender.send(bytes.freeze()).await.is_err() {
                // The provider has answered without the rest.
                return Ok(());
            }
            if self.has_ended {
                return Ok(());
            }
            self.read().await?;
        }
    }

    /// The next pieces.
    async fn read(&mut self) -> Result<(), Ended> {
        let Some(piece) = self.payload.next().await else {
            self.has_ended = true;
            return self.form.finish().map_err(Ended::Invalid);
        };
        let piece = piece.map_err(|error| {
            Ended::Refused(Refusal::BadRequest(format!("the form cannot be read to its end: {error}")))
        })?;
        self.bytes = self.bytes.saturating_add(piece.len());
        if self.bytes > self.most {
            return Err(Ended::Refused(Refusal::BodyTooLarge { most: self.most }));
        }
        self.form.push(&piece, &mut self.pieces).map_err(Ended::Invalid)
    }
}
