//! The stand-in vendor as a program: `standin [port] [threads]`; it prints its URL and runs until it is stopped.

use std::io::{self, Write};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u16| match arguments.next() {
        Some(text) => text
            .parse()
            .map_err(|_| io::Error::other(format!("{text:?} is no number: standin [port] [threads]"))),
        None => Ok(default),
    };
    let (port, threads) = (number(0)?, number(1)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(usize::from(threads.max(1)))
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let standin = standin::Standin::listen(port).await?;
        writeln!(io::stdout(), "{}", standin.url())?;
        io::stdout().flush()?;
        tokio::signal::ctrl_c().await
    })
}
