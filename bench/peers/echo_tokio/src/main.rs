//! Peer: an echo server with Tokio, one task for each connection.
//!
//!     peer_echo_tokio PORT       on 127.0.0.1, until it is killed; prints "listening on 127.0.0.1:PORT"
//!
//! On one processor it takes the scheduler of one thread, which is the faster one there; else the one of several.

use std::io::Error;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn echo(mut stream: TcpStream) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 4096];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..n]).await?;
    }
}

async fn serve(port: u16) -> Result<(), Error> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(echo(stream));
    }
}

fn main() {
    let Some(port) = std::env::args().nth(1).and_then(|text| text.parse().ok()) else {
        eprintln!("usage: peer_echo_tokio PORT");
        std::process::exit(2);
    };
    let one = std::thread::available_parallelism().is_ok_and(|n| n.get() == 1);
    let mut builder = if one {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    let runtime = builder.enable_io().build().expect("a runtime");
    if let Err(error) = runtime.block_on(serve(port)) {
        eprintln!("{error}");
        std::process::exit(2);
    }
}
