//! An answer that is made while it is written: one future writes it and is polled by whoever reads.
//!
//! There is no task and no queue between the provider's socket and the client's: a client that reads slowly slows its
//! provider down, and one that goes away takes the call with it.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::web::Bytes;
use gateway::{Begun, Out};

/// Where the future writes: at most one piece waits here.
#[derive(Clone, Default)]
pub(super) struct Spout(Rc<RefCell<Basin>>);

#[derive(Default)]
struct Basin {
    begun: Option<Begun>,
    piece: Option<Bytes>,
    is_cut: bool,
}

/// An answer that is not whole: its connection is broken off, so that nobody takes it for one.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
pub(super) struct Cut;

impl Out for Spout {
    fn begin(&mut self, begun: Begun) {
        self.0.borrow_mut().begun = Some(begun);
    }

    async fn give(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        self.0.borrow_mut().piece = Some(bytes);
        // Who takes the piece polls this future next: nobody has to be woken.
        poll_fn(|_| if self.0.borrow().piece.is_none() { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    fn cut(&mut self) {
        self.0.borrow_mut().is_cut = true;
    }
}

/// The rest of an answer.
pub(super) struct Pouring {
    basin: Rc<RefCell<Basin>>,
    /// `None` when it has ended.
    work: Option<Pin<Box<dyn Future<Output = ()>>>>,
    /// Whether it goes on when nobody reads it any more.
    drains: bool,
}

/// Lets `work` write until its answer has begun; else what it ended with.
pub(super) async fn pour<T, F, W>(work: F) -> Result<(Begun, Pouring), Option<T>>
where
    F: FnOnce(Spout) -> W,
    W: Future<Output = T> + 'static,
    T: 'static,
{
    let spout = Spout::default();
    let basin = spout.0.clone();
    let ended = Rc::new(RefCell::new(None));
    let (work, end) = (work(spout), ended.clone());
    let mut work: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
        let value = work.await;
        *end.borrow_mut() = Some(value);
    });
    let is_over = poll_fn(|context| {
        let is_over = work.as_mut().poll(context).is_ready();
        if is_over || basin.borrow().begun.is_some() { Poll::Ready(is_over) } else { Poll::Pending }
    })
    .await;
    let begun = basin.borrow_mut().begun.take();
    match begun {
        Some(begun) => Ok((begun, Pouring { basin, work: (!is_over).then_some(work), drains: false })),
        None => Err(ended.take()),
    }
}

impl Pouring {
    /// Goes on to the end although nobody reads it any more, and throws away what comes.
    pub(super) fn draining(mut self) -> Self {
        self.drains = true;
        self
    }
}

impl Drop for Pouring {
    fn drop(&mut self) {
        let Some(mut work) = self.work.take().filter(|_| self.drains) else { return };
        let basin = self.basin.clone();
        actix_web::rt::spawn(poll_fn(move |context| {
            loop {
                basin.borrow_mut().piece = None;
                if work.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                if basin.borrow().piece.is_none() {
                    return Poll::Pending;
                }
            }
        }));
    }
}

impl MessageBody for Pouring {
    type Error = Cut;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if let Some(piece) = this.basin.borrow_mut().piece.take() {
            return Poll::Ready(Some(Ok(piece)));
        }
        let Some(work) = &mut this.work else { return Poll::Ready(None) };
        if work.as_mut().poll(context).is_ready() {
            this.work = None;
        }
        let mut basin = this.basin.borrow_mut();
        match basin.piece.take() {
            Some(piece) => Poll::Ready(Some(Ok(piece))),
            None if this.work.is_none() && std::mem::take(&mut basin.is_cut) => Poll::Ready(Some(Err(Cut))),
            None if this.work.is_none() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use actix_web::body::to_bytes;
    use tokio::sync::oneshot;

    use super::*;

    fn begun(whole: Option<&'static str>) -> Begun {
        Begun {
            status: 200,
            content_type: "text/event-stream".to_owned(),
            headers: Vec::new(),
            deployment: "a/x".parse().unwrap(),
            unsaid: Vec::new(),
            whole: whole.map(Bytes::from),
        }
    }

    #[actix_web::test]
    async fn what_is_written_is_read_in_order_however_it_is_cut() {
        let (sender, receiver) = oneshot::channel();
        let poured = pour(|mut out| async move {
            out.begin(begun(None));
            out.give("one ".into()).await;
            out.give("".into()).await;
            let late: &'static str = receiver.await.unwrap();
            out.give(late.into()).await;
            out.give("three".into()).await;
        });
        let (head, body) = poured.await.ok().unwrap();
        assert_eq!(head, begun(None));
        sender.send("two ").unwrap();
        assert_eq!(to_bytes(body).await.unwrap(), "one two three");
    }

    #[actix_web::test]
    async fn who_ends_before_it_begins_has_no_answer() {
        let ended = pour(|_: Spout| async { 7 }).await;
        assert_eq!(ended.err().unwrap(), Some(7));
    }

    #[actix_web::test]
    async fn what_is_cut_does_not_end_as_if_it_were_whole() {
        let poured = pour(|mut out| async move {
            out.begin(begun(None));
            out.give("half".into()).await;
            out.cut();
        });
        let (_, mut body) = poured.await.ok().unwrap();
        let mut next = async || poll_fn(|context| Pin::new(&mut body).poll_next(context)).await;
        assert_eq!(next().await.unwrap().unwrap(), "half");
        assert!(matches!(next().await, Some(Err(Cut))));
        assert!(next().await.is_none());
    }

    #[actix_web::test]
    async fn a_whole_answer_needs_no_body() {
        let (head, body) = pour(|mut out| async move { out.begin(begun(Some("{}"))) }).await.ok().unwrap();
        assert_eq!(head.whole.unwrap(), "{}");
        assert_eq!(to_bytes(body).await.unwrap(), "");
    }

    #[actix_web::test]
    async fn nothing_is_made_that_nobody_reads_and_who_goes_away_takes_the_work_along() {
        struct Gone(Rc<Cell<bool>>);
        impl Drop for Gone {
            fn drop(&mut self) {
                self.0.set(true);
            }
        }
        let (gone, made) = (Rc::new(Cell::new(false)), Rc::new(Cell::new(0)));
        let (guard, count) = (Gone(gone.clone()), made.clone());
        let poured = pour(|mut out| async move {
            let _guard = guard;
            out.begin(begun(None));
            loop {
                count.set(count.get() + 1);
                out.give("more".into()).await;
            }
        });
        let (_, mut body) = poured.await.ok().unwrap();
        for _ in 0..3 {
            poll_fn(|context| Pin::new(&mut body).poll_next(context)).await.unwrap().unwrap();
        }
        assert!(made.get() <= 4, "{}", made.get());
        drop(body);
        assert!(gone.get());
    }

    #[actix_web::test]
    async fn what_drains_goes_on_to_its_end_unheard() {
        let (sender, receiver) = oneshot::channel();
        let poured = pour(|mut out| async move {
            out.begin(begun(None));
            for _ in 0..3 {
                out.give("more".into()).await;
            }
            sender.send(()).unwrap();
        });
        let (_, body) = poured.await.ok().unwrap();
        drop(body.draining());
        receiver.await.expect("it came to its end");
    }
}
