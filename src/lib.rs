//! The top floor of Impresario: configuration, doors, and the command line; thin, over the actors below.

pub mod cli;
pub mod client;
pub mod config;
mod detect;
pub mod doctor;
pub mod http;
pub mod reload;
pub mod server;
pub mod telemetry;
mod tls;
pub mod ws;
