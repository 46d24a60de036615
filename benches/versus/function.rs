//! Functions under tower's layers.

use std::task::{Context, Poll};

use tower_service::Service;

/// A function as a tower service, which is always ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function<F>(pub(crate) F);

impl<F, A, R, T, E> Service<A> for Function<F>
where
    F: FnMut(A) -> R,
    R: Future<Output = Result<T, E>>,
{
    type Response = T;
    type Error = E;
    type Future = R;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), E>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, argument: A) -> R {
        (self.0)(argument)
    }
}
