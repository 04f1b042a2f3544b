//! The peer on Tokio's current-thread scheduler; it has only one thread.

fn main() {
    peer_tokio::main(peer_tokio::Flavour::CurrentThread);
}
