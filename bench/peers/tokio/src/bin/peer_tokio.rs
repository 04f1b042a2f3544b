//! The peer on Tokio's multi-thread scheduler, with THREADS workers.

fn main() {
    peer_tokio::main(peer_tokio::Flavour::MultiThread);
}
