//! What memory a burst of large bodies leaves behind, which is the allocator's doing.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::samples::{Sample, megabytes};
use crate::say;
use crate::stage::Stage;

/// How many ask at once.
const AT_ONCE: usize = 64;
const ROUNDS: usize = 20;
/// Just under what is taken.
const BODY_BYTES: usize = 1_000_000;
/// When it is looked again, in seconds after the burst.
const LOOKS_S: [u64; 4] = [1, 4, 8, 16];

pub(crate) async fn run(stage: &Stage) {
    let memory = || megabytes(Sample::of(stage.pid()).memory_kb);
    stage.clock.sleep(Duration::from_secs(5)).await;
    let before = memory();
    let mut most = before;
    for _ in 0..ROUNDS {
        join_all((0..AT_ONCE).map(|_| ask(stage))).await;
        most = most.max(memory());
    }
    say(&format!(
        "{ROUNDS} rounds of {AT_ONCE} bodies of {BODY_BYTES} bytes: {before:.1} MB before, {most:.1} MB at most"
    ));
    let mut waited = 0;
    for look in LOOKS_S {
        stage.clock.sleep(Duration::from_secs(look - waited)).await;
        waited = look;
        say(&format!("{look:>2} s idle: {:.1} MB", memory()));
    }
}

/// A body that is read and parsed whole, and then refused.
async fn ask(stage: &Stage) {
    let goal = "many words ".repeat(BODY_BYTES / 11);
    let body = format!("{{\"goal\": \"{goal}\", \"workspace\": \"relative\"}}");
    let head = format!(
        "POST /v1/workflows HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let Ok(mut stream) = UnixStream::connect(stage.socket()).await else { return };
    let sent = async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        stream.read_to_end(&mut Vec::new()).await
    };
    // One that is refused early still was a burst.
    let _ = sent.await;
}
