//! Work that goes on where the request that wanted it is over before: its deadline has passed, while a slow directory still looks at the
//! password. To break it off and begin it anew with what the NAS sends next would charge the person twice, send a second passcode, or refuse
//! the first because it was used; and a directory that always takes so long would never get to say anything.
//!
//! It ends with the life of its conversation at the latest, of which there is a limited number, each with one such work at a time.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::{Instrument, Span};

/// Such work. What it leaves behind when nobody waits for it any more is dropped.
pub(super) struct Lasting<T: Send + 'static> {
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    /// How long it may go on.
    life: Duration,
}

impl<T: Send + 'static> Lasting<T> {
    pub(super) fn new(life: Duration, work: impl Future<Output = T> + Send + 'static) -> Self {
        Self { work: Some(Box::pin(work)), life }
    }
}

impl<T: Send + 'static> Future for Lasting<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        // Taken out meanwhile, so that one that panics does not go on.
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for Lasting<T> {
    fn drop(&mut self) {
        if let (Some(work), Ok(runtime)) = (self.work.take(), Handle::try_current()) {
            let life = self.life;
            let rest = async move { drop(timeout(life, work).await) };
            runtime.spawn(rest.instrument(Span::current()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;
    use tokio::sync::oneshot;

    const LIFE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits_for_it_any_more() {
        let (go, wait) = oneshot::channel();
        let (tell, told) = oneshot::channel();
        let mut work = Lasting::new(LIFE, async move { tell.send(wait.await.unwrap()).unwrap() });
        assert!(Pin::new(&mut work).poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(work);
        go.send(7).unwrap();
        assert_eq!(told.await, Ok(7));
    }

    #[tokio::test]
    async fn work_that_panics_does_not_go_on() {
        let (tell, told) = oneshot::channel::<()>();
        let work = Lasting::new(LIFE, async move {
            let _tell = tell;
            panic!("on purpose");
        });
        let mut work: Lasting<()> = work;
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            Pin::new(&mut work).poll(&mut Context::from_waker(Waker::noop()))
        }));
        assert!(polled.is_err() && work.work.is_none());
        assert!(told.await.is_err(), "it is gone");
    }
}
