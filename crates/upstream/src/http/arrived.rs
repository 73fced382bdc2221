//! What has arrived of a body, taken together: where a provider sent several events at once, one write carries them on.

use std::mem;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use reqwest::Response;

/// The most pieces that are taken together.
const MAX_PIECES: usize = 64;
/// So many bytes are enough for one write.
const ENOUGH_BYTES: usize = 64 * 1024;

/// Pieces that were taken and not given yet.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    pieces: Vec<Bytes>,
    bytes: usize,
    /// What came behind them: the end of the body, or what broke it off.
    end: Option<Result<(), reqwest::Error>>,
}

impl Arrived {
    /// Waits for bytes, and where `has_begun` takes with them what else has come: what may be a whole answer, and the first
    /// event of a stream, wait for nothing more. `None` at the end. Safe to drop while it waits.
    pub(crate) async fn next(
        &mut self,
        response: &mut Response,
        has_begun: bool,
    ) -> Result<Option<Bytes>, reqwest::Error> {
        if self.pieces.is_empty() {
            if let Some(end) = self.end.take() {
                return end.map(|()| None);
            }
            let Some(piece) = response.chunk().await? else { return Ok(None) };
            self.take(piece);
        }
        while has_begun && self.end.is_none() && self.pieces.len() < MAX_PIECES && self.bytes < ENOUGH_BYTES {
            // The connection gives one piece at a time, and needs its turn before it can give the next.
            tokio::task::yield_now().await;
            match response.chunk().now_or_never() {
                Some(Ok(Some(piece))) => self.take(piece),
                Some(end) => self.end = Some(end.map(|_| ())),
                None => break,
            }
        }
        Ok(Some(self.joined()))
    }

    fn take(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        self.pieces.push(piece);
    }

    fn joined(&mut self) -> Bytes {
        let bytes = mem::take(&mut self.bytes);
        if let [_] = &self.pieces[..] {
            return self.pieces.pop().unwrap_or_default();
        }
        let mut joined = BytesMut::with_capacity(bytes);
        self.pieces.drain(..).for_each(|piece| joined.extend_from_slice(&piece));
        joined.freeze()
    }
}

#[cfg(test)]
mod tests {
    use clock::Clock;

    use super::*;
    use crate::loopback::{Server, Then, client};

    /// A body of so many chunks, written at once, and its own end where it has one.
    async fn response(chunks: usize, end: &str) -> (Response, Server) {
        let mut answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
        (0..chunks).for_each(|chunk| answer.push_str(&format!("4\r\n{chunk:04}\r\n")));
        let server = Server::start(answer + end, Then::Close).await;
        let response = client(&Clock::real()).into_http().post(&server.address).body("").send();
        (response.await.unwrap(), server)
    }

    async fn pieces(
        response: &mut Response,
        has_begun: bool,
    ) -> (Vec<Bytes>, Result<Option<Bytes>, reqwest::Error>) {
        let (mut arrived, mut pieces) = (Arrived::default(), Vec::new());
        loop {
            match arrived.next(response, has_begun).await {
                Ok(Some(piece)) => pieces.push(piece),
                end => return (pieces, end),
            }
        }
    }

    fn all(chunks: usize) -> String {
        (0..chunks).map(|chunk| format!("{chunk:04}")).collect()
    }

    #[tokio::test]
    async fn what_came_at_once_is_one_piece_and_what_may_be_the_first_waits_for_nothing() {
        let (mut response, _server) = response(5, "0\r\n\r\n").await;
        let (pieces, end) = pieces(&mut response, true).await;
        assert!(end.unwrap().is_none());
        assert!(pieces.len() < 5, "{pieces:?}");
        assert_eq!(pieces.concat(), all(5).as_bytes());

        let (mut response, _server) = self::response(5, "0\r\n\r\n").await;
        let (pieces, end) = self::pieces(&mut response, false).await;
        assert!(end.unwrap().is_none());
        assert_eq!(pieces.len(), 5, "{pieces:?}");
    }

    #[tokio::test]
    async fn what_came_before_a_break_is_given_first() {
        let (mut response, _server) = response(5, "").await;
        let (pieces, end) = pieces(&mut response, true).await;
        assert_eq!(pieces.concat(), all(5).as_bytes());
        end.unwrap_err();
    }

    #[tokio::test]
    async fn no_piece_is_of_more_than_so_many() {
        let (mut response, _server) = response(1_000, "0\r\n\r\n").await;
        let (pieces, end) = pieces(&mut response, true).await;
        assert!(end.unwrap().is_none());
        assert!(pieces.iter().all(|piece| piece.len() <= 4 * MAX_PIECES));
        assert_eq!(pieces.concat(), all(1_000).as_bytes());
    }
}
