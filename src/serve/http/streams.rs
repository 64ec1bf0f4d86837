//! Bodies that come piece by piece.

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::pin::Pin;

/// On an answer whose body has no end of its own, or nobody knows how late: its connection stays until the body has ended, the peer
/// goes away or the service stops.
#[derive(Debug, Clone, Copy)]
pub(in crate::serve) struct Endless;

/// A channel as the stream that a body is made of.
pub(in crate::serve) struct Pages<T>(
    pub(in crate::serve) tokio::sync::mpsc::Receiver<Result<T, std::io::Error>>,
);

impl<T> futures_core::Stream for Pages<T> {
    type Item = Result<T, std::io::Error>;

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

/// An answer that comes piece by piece and may take longer than a request may: a trail of any length, logins as they happen.
pub(in crate::serve) fn streamed<T>(
    kind: &'static str,
    pieces: tokio::sync::mpsc::Receiver<Result<T, std::io::Error>>,
) -> Response
where
    T: Into<Bytes> + Send + 'static,
{
    let body = Body::from_stream(Pages(pieces));
    let mut response = ([(header::CONTENT_TYPE, kind)], body).into_response();
    response.extensions_mut().insert(Endless);
    response
}
