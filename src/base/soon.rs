//! What may be known at once.

use std::pin::Pin;
use std::task::{Context, Poll};

/// The outcome of something that mostly needs not be waited for: then it costs no place on the heap, which the future of a trait's
/// async method always does. What is done at once is done by the call, not when the outcome is awaited.
#[must_use = "the outcome is told to who awaits it, and what must be waited for is not begun before"]
pub enum Soon<'a, T> {
    /// It is known. None: it was told.
    Now(Option<T>),
    /// It must be waited for.
    Later(Pin<Box<dyn Future<Output = T> + Send + 'a>>),
}

impl<'a, T> Soon<'a, T> {
    /// What is known.
    pub const fn now(value: T) -> Self {
        Soon::Now(Some(value))
    }

    /// What is yet to be found out.
    pub fn later(future: impl Future<Output = T> + Send + 'a) -> Self {
        Soon::Later(Box::pin(future))
    }
}

// What is known is never pinned.
impl<T> Unpin for Soon<'_, T> {}

impl<T> Future for Soon<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        match self.get_mut() {
            Soon::Now(value) => value.take().map_or(Poll::Pending, Poll::Ready),
            Soon::Later(future) => future.as_mut().poll(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_told_at_once_or_later() {
        assert_eq!(Soon::now(1).await, 1);
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let later = Soon::later(async { receiver.await.unwrap_or(0) });
        sender.send(2).unwrap();
        assert_eq!(later.await, 2);
    }
}
