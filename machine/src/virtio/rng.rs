//! Entropy device (section 5.4): a ChaCha20 stream, so that every byte is a function of the seed
//! and of how many were taken before.

use super::backend::{Backend, Live};
use super::error::{DeviceError, Fault};
use super::memory::scatter;
use crate::device::Context;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng};
use serde::{Deserialize, Serialize};
use virtio_bindings::virtio_ids::VIRTIO_ID_RNG;

/// The most bytes for one request; the device may always give fewer than were asked for.
const REQUEST_MAX: u64 = 64 << 10;

/// An entropy device to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RngConfig {
    /// All of its bytes are a function of this.
    pub seed: [u8; 32],
}

/// A source of entropy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rng {
    seed: [u8; 32],
    /// 32-bit words of the stream that were used up. A reset does not give them again.
    words: u64,
}

impl Rng {
    pub(super) fn new(config: &RngConfig) -> Self {
        let seed = config.seed;
        Self { seed, words: 0 }
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        let mut data = vec![0; len as usize];
        let mut stream = ChaCha20Rng::from_seed(self.seed);
        stream.set_word_pos(self.words.into());
        stream.fill_bytes(&mut data);
        self.words += len.div_ceil(4);
        data
    }
}

impl Backend for Rng {
    fn id(&self) -> u32 {
        VIRTIO_ID_RNG
    }

    fn features(&self) -> u64 {
        0
    }

    fn queues(&self) -> &'static [u16] {
        &[8]
    }

    fn config(&self) -> Vec<u8> {
        Vec::new()
    }

    fn notify(
        &mut self,
        queue: usize,
        live: &mut Live<'_>,
        _cx: &mut Context<'_>,
    ) -> Result<(), Fault> {
        for _ in 0..live.waiting(queue)? {
            let Some(chain) = live.pop(queue, u32::MAX.into())? else {
                break;
            };
            let len = chain.writable_len().min(REQUEST_MAX);
            if len == 0 {
                return Err(DeviceError::NoRoom.into());
            }
            let data = self.bytes(len);
            scatter(&mut live.dma, &chain.writable, 0, &data);
            live.push(queue, chain.head, len as u32);
        }
        live.settle(queue, false);
        Ok(())
    }

    /// How much of the stream was used stays.
    fn forget_seed(&mut self) {
        self.seed = [0; 32];
    }

    fn reset(&mut self) {}
}
