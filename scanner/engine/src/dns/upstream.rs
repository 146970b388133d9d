//! A resolver, and our sockets to it.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mxray_evidence::Text;

use super::channel::Channel;
use super::group::Group;
use super::health::Health;

/// Sockets to each resolver: as many source ports to guess, and as many receive buffers.
const CHANNELS_A_RESOLVER: usize = 4;

/// Groups that leave by one socket before it is the next one's turn, so that what is asked at once leaves together.
const GROUPS_A_TURN: usize = 64;

/// What the sockets to a resolver write down.
#[derive(Clone)]
pub(super) struct Ledger {
    /// Datagrams that answered no open question.
    pub(super) strays: Arc<AtomicU64>,
    /// Which resolvers answer.
    pub(super) health: Arc<Health>,
    /// This one's number there.
    pub(super) number: usize,
}

/// A resolver and our sockets to it.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    /// The same as text.
    pub(super) name: Text,
    channels: Vec<Mutex<Arc<Channel>>>,
    queries_a_channel_max: u32,
    turn: AtomicUsize,
    ledger: Ledger,
}

impl Upstream {
    pub(super) fn open(address: SocketAddr, ledger: Ledger, queries_a_channel_max: u32) -> io::Result<Self> {
        let channels = (0..CHANNELS_A_RESOLVER)
            .map(|_| Channel::open(address, ledger.clone()).map(Mutex::new))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            address,
            name: address.to_string().into(),
            channels,
            queries_a_channel_max,
            turn: AtomicUsize::new(0),
            ledger,
        })
    }

    /// Asks a group's questions, which wait for their replies until `timeout` from now.
    pub(super) fn ask(&self, group: &Arc<Group>, timeout: Duration) {
        while !self.channel().ask(group, timeout) {}
    }

    /// Takes no more questions.
    pub(super) fn retire(&self) {
        for channel in &self.channels {
            lock(channel).retire();
        }
    }

    /// The next socket in turn; a worn one is replaced, unless no other is to be had.
    fn channel(&self) -> Arc<Channel> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) / GROUPS_A_TURN % self.channels.len();
        let mut channel = lock(&self.channels[turn]);
        if channel.asked() >= self.queries_a_channel_max
            && let Ok(fresh) = Channel::open(self.address, self.ledger.clone())
        {
            channel.retire();
            *channel = fresh;
        }
        Arc::clone(&channel)
    }
}

fn lock(channel: &Mutex<Arc<Channel>>) -> MutexGuard<'_, Arc<Channel>> {
    channel.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tokio::net::UdpSocket;

    use super::*;
    use crate::dns::question::{Kind, Question};

    #[tokio::test]
    async fn worn_sockets_are_replaced_and_those_who_wait_at_them_are_answered() {
        const QUERIES: usize = 100;
        let server = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        let health = Arc::new(Health::new(1, Duration::from_secs(20)));
        let ledger = Ledger { strays: Arc::default(), health, number: 0 };
        let upstream = Upstream::open(server.local_addr().unwrap(), ledger, 5).unwrap();
        let first = Arc::downgrade(&upstream.channel());
        let asking = async {
            let upstream = Arc::new(upstream);
            let mut asking = tokio::task::JoinSet::new();
            for _ in 0..QUERIES {
                let upstream = Arc::clone(&upstream);
                asking.spawn(async move {
                    let group =
                        Group::new([Question::new("h.example", Kind::A).unwrap()].into_iter().collect());
                    upstream.ask(&group, Duration::from_secs(20));
                    group.outcomes().await.next().unwrap().reply.unwrap()
                });
            }
            asking.join_all().await.len()
        };
        // Nobody is answered before all have asked, so every retired socket has somebody who waits.
        let answering = async {
            let mut asked = Vec::new();
            let mut buffer = [0; 512];
            while asked.len() < QUERIES {
                let (length, peer) = server.recv_from(&mut buffer).await.unwrap();
                asked.push((buffer[..length].to_vec(), peer));
            }
            for (query, peer) in &mut asked {
                query[2] |= 0x80;
                server.send_to(query, *peer).await.unwrap();
            }
            asked.iter().fold(HashMap::new(), |mut ports, (_, peer)| {
                *ports.entry(peer.port()).or_insert(0) += 1;
                ports
            })
        };
        let (answered, ports) = tokio::join!(asking, answering);
        assert_eq!((answered, ports.values().sum(), ports.values().max()), (QUERIES, QUERIES, Some(&5)));
        while first.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
