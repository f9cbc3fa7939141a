//! Room for messages that wait: so many bytes, however many messages they are.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a message costs besides its text.
const EACH: usize = 256;

/// So many bytes.
#[derive(Debug)]
pub(super) struct Room {
    free: Arc<Semaphore>,
    all: usize,
}

/// Bytes that are taken until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    _bytes: OwnedSemaphorePermit,
}

impl Room {
    /// Room for this many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        let all = bytes.clamp(EACH, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { free: Arc::new(Semaphore::new(all)), all }
    }

    /// A message longer than all of the room has it for itself.
    fn bytes(&self, length: usize) -> u32 {
        u32::try_from(length.saturating_add(EACH).min(self.all)).unwrap_or(u32::MAX)
    }

    /// Takes room for a message, when there is some.
    pub(super) async fn take(&self, length: usize) -> Held {
        let bytes = Arc::clone(&self.free).acquire_many_owned(self.bytes(length)).await;
        Held { _bytes: bytes.expect("it is never closed") }
    }

    /// The same without waiting; `None` when there is too little.
    pub(super) fn try_take(&self, length: usize) -> Option<Held> {
        let bytes = Arc::clone(&self.free).try_acquire_many_owned(self.bytes(length)).ok()?;
        Some(Held { _bytes: bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn there_is_room_for_bytes_and_not_for_messages() {
        let room = Room::of(10_000);
        let held: Vec<_> = std::iter::from_fn(|| room.try_take(1000)).collect();
        assert_eq!(held.len(), 7);
        assert!(room.try_take(1000).is_none());
        drop(held);
        // The shortest ones take room as well.
        let short: Vec<_> = std::iter::from_fn(|| room.try_take(0)).collect();
        assert_eq!(short.len(), 39);
        drop(short);
        let all = room.take(usize::MAX).await;
        assert!(room.try_take(0).is_none(), "one that is longer than the room has it for itself");
        drop(all);
        assert!(room.try_take(9000).is_some());
    }
}
