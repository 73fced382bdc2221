//! Server-sent events, and the client that follows them: in order, without gaps, each once, from any number on.

use std::path::PathBuf;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use units::{Seq, WorkflowId};

use super::stage::{PLANNED, SLOW, Stage, all};
use crate::client::Client;
use crate::http::views::ServerEvent;

/// The numbers of the stored events in a stream's text, as its ids and in its data.
fn numbers(stream: &str) -> Vec<u64> {
    let ids = stream.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok());
    let ids: Vec<u64> = ids.collect();
    for id in &ids {
        assert!(stream.contains(&format!("event: event\ndata: {{\"seq\":{id},\"at\":")), "{stream}");
    }
    ids
}

async fn last_seq(stage: &Stage, id: &WorkflowId) -> u64 {
    stage.events(id).await.last().unwrap().0.0
}

#[actix_rt::test]
async fn a_stream_goes_on_from_any_number_and_ends_with_the_workflow() {
    let stage = Stage::open().await;
    let id = stage.start(PLANNED).await;
    let last = last_seq(&stage, &id).await;
    assert!(last >= 3);
    let port = stage.server.addresses().tcp.port();
    for after in 0..=last {
        let expected: Vec<u64> = (after + 1..=last).collect();
        let (status, stream) = stage.get(&format!("/v1/workflows/{id}/events?after={after}")).await;
        assert_eq!((status, numbers(&stream)), (200, expected.clone()));
        assert_eq!(stream.matches("event: end\n").count(), 1, "{stream}");

        let head = format!(
            "GET /v1/workflows/{id}/events HTTP/1.1\r\nHost: localhost:{port}\r\nLast-Event-ID: {after}\r\n"
        );
        let (status, head, stream) = stage.ask_whole(&head).await;
        assert_eq!((status, numbers(&stream)), (200, expected));
        assert!(head.contains("content-type: text/event-stream"), "{head}");
    }
    for after in ["x", "-1", &(last + 1).to_string()] {
        let (status, _) = stage.get(&format!("/v1/workflows/{id}/events?after={after}")).await;
        assert_eq!(status, 400, "{after}");
    }
    stage.close().await;
}

#[actix_rt::test]
async fn an_open_stream_shows_what_comes_and_ends_when_the_server_stops() {
    let stage = Stage::open().await;
    let id = stage.start(SLOW).await;
    let mut following = stage.client.follow(&id, Seq(0));
    let Some(Ok(ServerEvent::Event(first))) = following.next().await else { panic!("no first event") };
    assert_eq!(first.seq, Seq(1));

    let note = actors::feed::Progress::Note { step: "plan/1".to_owned(), text: "thinks".to_owned() };
    let shown = async {
        loop {
            match following.next().await.unwrap().unwrap() {
                ServerEvent::Progress(progress) if progress == note => break,
                ServerEvent::Progress(_) | ServerEvent::Event(_) => {}
            }
        }
    };
    stage.server.doors().pulses.show(&id, note.clone());
    shown.await;

    let socket = stage.server.addresses().socket.clone();
    let mut raw = UnixStream::connect(&socket).await.unwrap();
    let request = format!("GET /v1/workflows/{id}/events HTTP/1.1\r\nHost: x\r\n\r\n");
    raw.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("id: 1\n") {
        assert!(raw.read_buf(&mut seen).await.unwrap() > 0);
    }
    stage.close().await;
    raw.read_to_end(&mut seen).await.unwrap();
    let rest = String::from_utf8(seen).unwrap();
    assert_eq!(numbers(&rest), [1]);
    assert!(!rest.contains("event: end"), "{rest}");
    assert!(rest.contains("event: stopping\ndata: {\"seq\":1}\n\n"), "{rest}");
}

#[actix_rt::test]
async fn a_follower_misses_nothing_and_sees_nothing_twice_over_cut_connections() {
    let stage = Stage::open().await;
    let id = stage.start(PLANNED).await;
    let whole = stage.events(&id).await;
    let through = stage.folder.path().join("cut.sock");
    // Longer pieces each time, so that each event gets through some day, and every byte is where it may be cut.
    for step in [97, 211, 389] {
        let cutting = actix_rt::spawn(cut(through.clone(), stage.server.addresses().socket.clone(), step));
        while UnixStream::connect(&through).await.is_err() {
            tokio::task::yield_now().await;
        }
        let client = connect(&through).await;
        assert_eq!(all(&client, &id).await, whole, "{step}");
        cutting.abort();
        std::fs::remove_file(&through).unwrap();
    }
    stage.close().await;
}

/// The first answers are cut too.
async fn connect(socket: &std::path::Path) -> Client {
    loop {
        if let Ok(client) = Client::connect(socket).await {
            return client;
        }
    }
}

/// Passes connections on and breaks each after a number of bytes that grows by `step`.
async fn cut(listen: PathBuf, server: PathBuf, step: usize) {
    let listener = UnixListener::bind(&listen).unwrap();
    let mut most = 0;
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        most += step;
        let mut far = UnixStream::connect(&server).await.unwrap();
        let (mut left, mut up, mut down) = (most, [0; 4096], [0; 4096]);
        while left > 0 {
            tokio::select! {
                read = near.read(&mut up) => match read {
                    Ok(count) if count > 0 => far.write_all(&up[..count]).await.unwrap(),
                    _ => break,
                },
                read = far.read(&mut down) => match read {
                    Ok(count) if count > 0 => {
                        let passed = count.min(left);
                        left -= passed;
                        if near.write_all(&down[..passed]).await.is_err() { break }
                    }
                    _ => break,
                },
            }
        }
    }
}
