//! The accept loop: our own, since a gateway on the internet needs a limit for every wait and every size.

use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use http::{HeaderValue, header};
use hyper::{Request, body::Incoming};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::proxies::{self, Network};

/// Connections at once; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 4096;
/// Time for a request's headers, and for an idle connection to say something.
const HEADER_TIME: Duration = Duration::from_secs(15);
/// How long requests that are under way may take once the program is told to stop.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// Serves `router` until `stop` is done, then lets requests that are under way end.
/// Each request learns whose address it comes from, behind proxies of these networks too.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    trusted: Vec<Network>,
    stop: impl Future<Output = ()>,
) {
    let trusted: Arc<[Network]> = trusted.into();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_header_list_size(64 * 1024)
        .keep_alive_interval(Duration::from_secs(30));
    let builder = Arc::new(builder);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let stopping = CancellationToken::new();
    tokio::pin!(stop);
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut stop => break,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip()),
            Err(error) => {
                // Out of file descriptors, most likely: give others time to close some.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // A small answer in two writes would otherwise wait 40 ms for the other end's acknowledgement.
        let _ = stream.set_nodelay(true);
        let (router, trusted) = (router.clone(), trusted.clone());
        let service = tower::service_fn(move |mut request: Request<Incoming>| {
            let sender = proxies::sender(peer, request.headers(), &trusted);
            request.extensions_mut().insert(ConnectInfo(SocketAddr::new(sender, 0)));
            // A proxy in front may have taken a length for the end where we take the last chunk. Whatever stands behind such
            // a request is then somebody else's bytes, so nothing more is read from the connection (RFC 9112 section 6.1).
            let chunked = request.headers().contains_key(header::TRANSFER_ENCODING);
            let answer = router.clone().oneshot(request);
            async move {
                let mut response = answer.await?;
                if chunked {
                    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let (builder, service, watcher) = (builder.clone(), TowerToHyperService::new(service), graceful.watcher());
        let stopping = stopping.clone();
        tokio::spawn(async move {
            // Whoever connects and says nothing must keep neither a place nor the program; from the first words on hyper
            // keeps the time.
            match stopping.run_until_cancelled(speaks(&stream, HEADER_TIME)).await {
                Some(true) => {}
                Some(false) | None => return,
            }
            let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    stopping.cancel();
    if tokio::time::timeout(DRAIN_TIME, graceful.shutdown()).await.is_err() {
        tracing::info!("some requests did not end in time");
    }
}

/// Waits for the first line's worth of a connection: enough to tell HTTP/1 from HTTP/2, which is where hyper's own
/// time-outs begin.
async fn speaks(stream: &TcpStream, patience: Duration) -> bool {
    let enough = async {
        let mut first = [0; PREFACE.len()];
        loop {
            match stream.peek(&mut first).await {
                Ok(0) | Err(_) => return false,
                Ok(read) if !PREFACE.starts_with(&first[..read]) || read == PREFACE.len() => return true,
                // So far it looks like the beginning of HTTP/2's preface, and a look does not wait for more.
                Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::time::timeout(patience, enough).await.unwrap_or(false)
}

/// What every HTTP/2 connection starts with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, time::Instant};

    use super::*;

    #[tokio::test]
    async fn a_connection_that_says_nothing_is_given_up() {
        // proves: HTTP-05
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let patience = Duration::from_millis(500);
        for (said, served) in [(&b""[..], false), (b"PRI * HT", false), (b"G", true), (PREFACE, true)] {
            let mut caller = TcpStream::connect(address).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            caller.write_all(said).await.unwrap();
            assert_eq!(speaks(&stream, patience).await, served, "{:?}", String::from_utf8_lossy(said));
        }
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_does_not_hold_up_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let stop = async move { _ = ended.await };
        let server = tokio::spawn(serve(listener, Router::new(), Vec::new(), stop));
        let _silent = TcpStream::connect(address).await.unwrap();
        // An answer to a later connection shows that the silent one was accepted before it.
        let mut caller = TcpStream::connect(address).await.unwrap();
        caller.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut caller, &mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 404"));
        // From here on time passes only where somebody waits for it.
        tokio::time::pause();
        let told = Instant::now();
        end.send(()).unwrap();
        server.await.unwrap();
        assert!(told.elapsed() < Duration::from_secs(1), "{:?}", told.elapsed());
    }
}
