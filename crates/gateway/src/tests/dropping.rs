//! Parameters that a model refuses: dropped once, remembered, told, and never mistaken for other complaints.

use std::sync::{Arc, Mutex};

use chat::{Parameter, Request};
use clock::Clock;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use upstream::{Dialect, Endpoint, HttpEndpoint};

use super::wires::openai_answer;
use super::*;

/// A provider that refuses with these words whatever holds `refused`, and keeps what it was asked.
struct Picky {
    listener: TcpListener,
    refused: &'static str,
    words: &'static str,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Picky {
    async fn about(refused: &'static str, words: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, refused, words, asked: Arc::default() }
    }

    fn house(&self) -> House {
        let base_url = format!("http://{}", self.listener.local_addr().unwrap()).parse().unwrap();
        let endpoint = Endpoint::Http(HttpEndpoint {
            dialect: Dialect::OpenAiChat,
            also: None,
            base_url,
            extras: None,
            key: None,
            keys: None,
            is_traced: false,
            has_account_routes: false,
            lets_through: false,
        });
        House::build(Clock::real(), vec![("a/x", endpoint)], Choice::Named(vec!["a/x".parse().unwrap()]))
    }

    async fn serve(&self) -> std::convert::Infallible {
        loop {
            let (mut socket, _) = self.listener.accept().await.unwrap();
            let body = read(&mut socket).await;
            let answer = if body.contains(self.refused) {
                let body =
                    format!(r#"{{"error":{{"message":"{}","type":"invalid_request_error"}}}}"#, self.words);
                let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close";
                format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            } else {
                openai_answer()
            };
            self.asked.lock().unwrap().push(body);
            socket.write_all(answer.as_bytes()).await.unwrap();
            socket.shutdown().await.unwrap();
        }
    }

    async fn ask(&self, house: &House, temperature: Option<f64>) -> Result<Receipt, Error> {
        let request = Request { temperature, ..request() };
        let mut unseen = |_: &Event| {};
        tokio::select! {
            answer = house.gateway.call(house.question(&request), &mut unseen) => answer,
            never = self.serve() => match never {},
        }
    }

    fn told_of_temperature(&self) -> Vec<bool> {
        self.asked.lock().unwrap().iter().map(|body| body.contains("temperature")).collect()
    }
}

async fn read(socket: &mut TcpStream) -> String {
    let mut reader = BufReader::new(socket);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).await.unwrap();
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.unwrap();
    String::from_utf8(body).unwrap()
}

const REFUSAL: &str = "Unsupported value: 'temperature' does not support 0.2 with this model.";

#[tokio::test]
async fn what_a_model_refuses_is_dropped_once_remembered_and_told() {
    let provider = Picky::about("temperature", REFUSAL).await;
    let house = provider.house();
    let receipt = provider.ask(&house, Some(0.2)).await.unwrap();
    assert_eq!(receipt.dropped, Some(Parameter::Temperature));
    assert_eq!(receipt.attempts.len(), 1, "the refusal is part of the story");
    assert_eq!(provider.told_of_temperature(), [true, false]);

    let receipt = provider.ask(&house, Some(0.7)).await.unwrap();
    assert_eq!(receipt.dropped, Some(Parameter::Temperature));
    assert!(receipt.attempts.is_empty());
    let receipt = provider.ask(&house, None).await.unwrap();
    assert_eq!(receipt.dropped, None, "nothing was to be told");
    assert_eq!(provider.told_of_temperature(), [true, false, false, false]);
    let told = house.recorder.dropped.lock().unwrap().clone();
    assert_eq!(told, [("a/x".parse().unwrap(), Parameter::Temperature)]);
    assert_eq!(house.trips(), 0);
}

#[tokio::test]
async fn a_refusal_that_only_mentions_the_parameter_is_told_in_its_first_words_and_not_remembered() {
    let words = "unknown tool: temperature";
    let provider = Picky::about("messages", words).await;
    let house = provider.house();
    let error = provider.ask(&house, Some(0.2)).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }) && error.to_string().contains(words), "{error}");
    assert_eq!(provider.told_of_temperature(), [true, false]);
    assert!(!house.deployments[0].dropped.has(Parameter::Temperature));
    assert!(house.recorder.dropped.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_value_out_of_range_is_refused_and_nothing_dropped() {
    let words = "temperature: Input should be less than or equal to 1";
    let provider = Picky::about("temperature", words).await;
    let house = provider.house();
    let error = provider.ask(&house, Some(1.5)).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert_eq!(provider.told_of_temperature(), [true]);
}
