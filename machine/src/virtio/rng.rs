//! Entropy device (section 5.4): a ChaCha20 stream. Each byte is a function of the seed and of the
//! number of bytes taken before.

use super::backend::{Backend, Live};
use super::error::{DeviceError, Fault};
use super::memory::scatter;
use crate::device::Context;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng as _, SeedableRng};
use serde::{Deserialize, Serialize};
use virtio_bindings::virtio_ids::VIRTIO_ID_RNG;

/// Most bytes for one request. The device may always return fewer bytes than requested.
const REQUEST_MAX: u64 = 64 << 10;

/// The configuration of an entropy device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RngConfig {
    /// The seed, which determines all bytes.
    pub seed: [u8; 32],
}

/// An entropy device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rng {
    seed: [u8; 32],
    /// Number of 32-bit words taken from the stream. A reset does not change it.
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

    /// The position in the stream is kept.
    fn forget_seed(&mut self) {
        self.seed = [0; 32];
    }

    fn reset(&mut self) {}
}
