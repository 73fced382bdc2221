//! The address: free, or our own server's.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use clock::Clock;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Finding;
use crate::http::views::Health;

const ABOUT: &str = "address";
/// How long whoever listens there may take to say who it is.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The most bytes of that answer.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

pub(super) async fn look(listen: SocketAddr, running: bool, clock: &Clock) -> Finding {
    match TcpListener::bind(listen) {
        Ok(_) if running && listen.port() != 0 => {
            Finding::ok(ABOUT, format!("{listen} is free: the server that runs was started with another"))
        }
        Ok(_) => Finding::ok(ABOUT, format!("{listen} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            match clock.timeout(ANSWER_WITHIN, who(listen)).await {
                Ok(Some(version)) if running => {
                    Finding::ok(ABOUT, format!("an Impresario {version} listens on {listen}"))
                }
                Ok(Some(version)) => {
                    taken(listen, &format!("an Impresario {version} with another state folder"))
                }
                Ok(None) | Err(clock::Elapsed) => taken(listen, "another program"),
            }
        }
        Err(error) => Finding::fail(
            ABOUT,
            format!("nobody can listen on {listen} here: {error}"),
            "choose an address of this machine with `server.listen` or --listen",
        ),
    }
}

fn taken(listen: SocketAddr, who: &str) -> Finding {
    let remedy = "stop it, or choose another address with `server.listen` or --listen";
    Finding::fail(ABOUT, format!("{who} listens on {listen}"), remedy)
}

/// The version of the Impresario that listens there.
async fn who(listen: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(listen).await.ok()?;
    let request = format!("GET /healthz HTTP/1.0\r\nHost: {listen}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).await.ok()?;
    let answer = String::from_utf8(answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str::<Health>(body).ok().map(|health| health.version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[actix_rt::test]
    async fn a_free_address_a_taken_one_and_one_of_another_machine_are_told_apart() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = taken.local_addr().unwrap();
        // Who accepts and hangs up at once is no Impresario.
        let hangs_up = std::thread::spawn(move || drop(taken.accept()));
        let found = look(address, false, &Clock::real()).await;
        assert_eq!(found.verdict, Verdict::Fail, "{found:?}");
        assert!(found.remedy.unwrap().contains("--listen"));
        hangs_up.join().unwrap();
        assert_eq!(look(address, false, &Clock::real()).await.verdict, Verdict::Ok);
        let elsewhere = look("192.0.2.1:7300".parse().unwrap(), false, &Clock::real()).await;
        assert_eq!(elsewhere.verdict, Verdict::Fail, "{elsewhere:?}");
    }
}
