use super::*;

fn client_body<B: Body>(
    layer: &ClientFlowControlLayer,
    request: Request<()>,
    response: Response<B>,
) -> Response<FlowControlBody<B>> {
    let mut response = Some(response);
    let answer = move |request: Request<()>| {
        assert!(!request.headers().contains_key(&TAG));
        Ok(response.take().unwrap())
    };
    call(layer, request, answer).unwrap()
}

#[test]
fn a_request_has_a_handle_and_a_watched_body() {
    let (shared, state, tag) = connection(false);
    let request = tagged(Script::data([5]), &tag);
    let response = call(&FlowControlLayer::new(), request, |request| {
        assert!(request.headers().is_empty());
        let handle = request.extensions().get::<StreamHandle>().cloned();
        let mut body = request.into_body();
        assert_eq!(next_length(&mut body), 5);
        let response = Response::builder().header(&TAG, "junk");
        Ok(response.body((handle.unwrap(), body)).unwrap())
    });
    let response = response.unwrap();
    // No tag goes out.
    assert!(response.headers().is_empty());
    let (handle, body) = response.into_body();
    assert_eq!(handle.id(), stream(1));
    assert_eq!(look(&shared, &state), (Some(5), false));
    state.set_received(7, 70_000);
    let stats = handle.stats();
    assert_eq!(stats.received_octets, 7);
    assert_eq!(stats.unconsumed_octets, 2);
    assert_eq!(stats.receive_window, 70_000);
    drop(body);
    assert_eq!(look(&shared, &state), (None, true));
}

#[test]
fn a_response_has_a_handle_and_a_watched_body() {
    let (shared, state, tag) = connection(true);
    let request = Request::builder().header(&TAG, "junk").body(()).unwrap();
    let response = answer(Script::data([5]), &tag);
    let response = client_body(&ClientFlowControlLayer::new(), request, response);
    assert!(response.headers().is_empty());
    let handle = response.extensions().get::<StreamHandle>().unwrap();
    assert_eq!(handle.id(), stream(1));
    let mut body = response.into_body();
    assert_eq!(next_length(&mut body), 5);
    assert_eq!(look(&shared, &state), (Some(5), false));
    state.set_received(6, 65_535);
    assert!(matches!(poll(&mut body), Poll::Ready(None)));
    assert_eq!(look(&shared, &state), (None, true));
}

#[test]
fn a_message_with_no_stream_passes() {
    let forged = HeaderValue::from_static("junk");
    let requests = [
        Request::new(Script::data([5])),
        tagged(Script::data([5]), &forged),
    ];
    for request in requests {
        let response = call(&FlowControlLayer::new(), request, |request| {
            assert!(request.headers().is_empty());
            assert!(request.extensions().is_empty());
            Ok(Response::new(request.into_body()))
        });
        let mut body = response.unwrap().into_body();
        assert_eq!(next_length(&mut body), 5);
        assert!(matches!(poll(&mut body), Poll::Ready(None)));
    }
    let responses = [
        Response::new(Script::data([5])),
        answer(Script::data([5]), &forged),
    ];
    for response in responses {
        let response = client_body(&ClientFlowControlLayer::new(), Request::new(()), response);
        assert!(response.headers().is_empty());
        assert!(response.extensions().is_empty());
        assert_eq!(next_length(&mut response.into_body()), 5);
    }
}

#[test]
fn a_hint_is_the_messages_own_or_what_the_rule_says() {
    let (bulk, interactive) = (Some(FlowHint::Bulk), Some(FlowHint::Interactive));
    let rule = |request: &request::Parts| {
        assert!(!request.headers.contains_key(&TAG));
        (request.uri.path() == "/film").then_some(FlowHint::Bulk)
    };
    let cases = [
        (false, None, "/film", None),
        (false, interactive, "/film", interactive),
        (true, None, "/film", bulk),
        (true, interactive, "/film", interactive),
        (true, bulk, "/", bulk),
        (true, None, "/", None),
    ];
    for (has_rule, extension, path, expected) in cases {
        let mut request = Request::get(path).body(()).unwrap();
        if let Some(extension) = extension {
            request.extensions_mut().insert(extension);
        }
        let (head, ()) = request.into_parts();

        let (_shared, state, tag) = connection(false);
        let mut layer = FlowControlLayer::new();
        if has_rule {
            layer = layer.classify(rule);
        }
        let mut request = Request::from_parts(head.clone(), Script::data([5]));
        request.headers_mut().insert(&TAG, tag);
        let body = request_body(&layer, request);
        assert_eq!(state.hint(), expected, "{has_rule} {extension:?} {path}");
        drop(body);

        let (_shared, state, tag) = connection(true);
        let mut layer = ClientFlowControlLayer::new();
        if has_rule {
            layer = layer.classify(rule);
        }
        let response = answer(Script::data([5]), &tag);
        let body = client_body(&layer, Request::from_parts(head, ()), response);
        assert_eq!(state.hint(), expected, "{has_rule} {extension:?} {path}");
        drop(body);
    }
}

#[test]
fn only_a_hint_that_much_comes_wakes_the_connection() {
    let cases = [
        (None, false),
        (Some(FlowHint::Interactive), false),
        (Some(FlowHint::Bulk), true),
    ];
    for (hint, told) in cases {
        let (shared, state, tag) = connection(false);
        let layer = FlowControlLayer::new().classify(move |_| hint);
        let body = request_body(&layer, tagged(Script::data([5]), &tag));
        assert_eq!(look(&shared, &state), (Some(0), told), "{hint:?}");
        drop(body);

        let (shared, state, tag) = connection(true);
        let layer = ClientFlowControlLayer::new().classify(move |_| hint);
        let response = answer(Script::data([5]), &tag);
        let body = client_body(&layer, Request::new(()), response);
        assert_eq!(look(&shared, &state), (Some(0), told), "{hint:?}");
        drop(body);
    }
}

/// What a handler gets, and the connection hears, of a request for urgency 1
/// through these layers.
fn assert_both<L, S>(layer: &L)
where
    L: Layer<Fake<fn(Request<S>) -> Result<Response<S>, &'static str>>>,
    L::Service: Service<Request<Script>, Response = Response<S>, Error = &'static str>,
    S: Body<Data = Bytes> + Unpin,
{
    let (shared, state, tag) = connection(false);
    let mut request = tagged(Script::data([5, 6]), &tag);
    let urgent = HeaderValue::from_static("u=1");
    request.headers_mut().insert("priority", urgent);
    let handler: fn(Request<S>) -> Result<Response<S>, &'static str> = |request| {
        assert!(!request.headers().contains_key(&TAG));
        let extensions = request.extensions();
        assert_eq!(extensions.get::<Priority>(), Some(&Priority::new(1)));
        let handle = extensions.get::<StreamHandle>().unwrap();
        assert_eq!(handle.id(), stream(1));
        assert_eq!(handle.priority(), Priority::new(1));
        let mut body = request.into_body();
        next_length(&mut body);
        let response = Response::builder().header(&TAG, "junk");
        Ok(response.extension(Priority::new(6)).body(body).unwrap())
    };
    let mut service = layer.layer(Fake::new(handler));
    let response = call_service(&mut service, request).unwrap();
    assert!(!response.headers().contains_key(&TAG));
    // Each said once.
    let says: Vec<Say> = std::iter::from_fn(|| shared.next_say())
        .map(|(_, say)| say)
        .collect();
    let expected = [Say::Field(Priority::new(1)), Say::Own(Priority::new(6))];
    assert_eq!(says, expected);
    assert_eq!(look(&shared, &state), (Some(5), false));
    let mut body = response.into_body();
    next_length(&mut body);
    assert_eq!(look(&shared, &state), (Some(11), false));
    state.set_received(12, 65_535);
    drop(body);
    assert_eq!(look(&shared, &state), (None, true));
}

/// One layer in another.
struct Nested<A, B>(A, B);

impl<A, B, S> Layer<S> for Nested<A, B>
where
    A: Layer<B::Service>,
    B: Layer<S>,
{
    type Service = A::Service;

    fn layer(&self, inner: S) -> A::Service {
        self.0.layer(self.1.layer(inner))
    }
}

#[test]
fn layers_of_both_families_nest_in_any_order() {
    let flow = FlowControlLayer::new();
    let priority = PriorityLayer::new();
    assert_both(&Nested(&flow, &priority));
    assert_both(&Nested(&priority, &flow));
    assert_both(&Nested(&flow, Nested(&priority, &flow)));
    assert_both(&Nested(&priority, Nested(&flow, &priority)));
    assert_both(&Nested(&flow, Nested(&priority, &priority)));
    assert_both(&Nested(&flow, Nested(&flow, &priority)));
    assert_both(&Nested(&priority, Nested(&flow, &flow)));
    assert_both(&Nested(&priority, Nested(&priority, &flow)));
}

/// What a client gets of a response to a request with urgency 5.
fn assert_both_of_client<L, R>(layer: &L)
where
    L: Layer<Fake<fn(Request<HeaderValue>) -> Result<Response<Script>, &'static str>>>,
    L::Service: Service<Request<HeaderValue>, Response = Response<R>, Error = &'static str>,
    R: Body<Data = Bytes> + Unpin,
{
    let (shared, state, tag) = connection(true);
    let server: fn(Request<HeaderValue>) -> Result<Response<Script>, &'static str> = |request| {
        assert!(!request.headers().contains_key(&TAG));
        assert_eq!(request.headers()["priority"], "u=5");
        Ok(answer(Script::data([5, 6]), request.body()))
    };
    let request = Request::builder().extension(Priority::new(5));
    let request = request.header(&TAG, "junk").body(tag).unwrap();
    let mut service = layer.layer(Fake::new(server));
    let response = call_service(&mut service, request).unwrap();
    assert!(response.headers().is_empty());
    let handle = response.extensions().get::<StreamHandle>().unwrap();
    assert_eq!(handle.priority(), Priority::new(5));
    let mut body = response.into_body();
    next_length(&mut body);
    assert_eq!(look(&shared, &state), (Some(5), false));
    state.set_received(11, 65_535);
    drop(body);
    assert_eq!(look(&shared, &state), (None, true));
}

#[test]
fn a_clients_layers_nest_in_any_order() {
    let flow = ClientFlowControlLayer::new();
    let priority = ClientPriorityLayer::new();
    assert_both_of_client(&Nested(&flow, &priority));
    assert_both_of_client(&Nested(&priority, &flow));
    assert_both_of_client(&Nested(&flow, Nested(&priority, &flow)));
    assert_both_of_client(&Nested(&priority, Nested(&flow, &priority)));
    assert_both_of_client(&Nested(&flow, Nested(&flow, &priority)));
}

#[test]
fn a_proxy_watches_both_of_its_streams() {
    let (front, front_state, front_tag) = connection(false);
    let (back, back_state, back_tag) = connection(true);
    let client = ClientFlowControlLayer::new();
    front_state.set_received(6, 65_535);
    back_state.set_received(10, 65_535);
    // It passes on the extensions of its requests.
    let request = tagged(Script::data([5]), &front_tag);
    let response = call(&FlowControlLayer::new(), request, |request| {
        let response = Some(answer(Script::data([9]), &back_tag));
        let mut response = response.into_iter();
        call(&client, request, |request| {
            next_length(&mut request.into_body());
            Ok(response.next().unwrap())
        })
    });
    let mut body = response.unwrap().into_body();
    assert_eq!(look(&front, &front_state), (None, true));
    assert_eq!(next_length(&mut body), 9);
    assert_eq!(look(&back, &back_state), (Some(9), false));
    drop(body);
    assert_eq!(look(&back, &back_state), (None, true));
    assert_eq!(look(&front, &front_state), (None, false));
}

#[test]
fn a_tag_is_of_the_message_that_it_came_with() {
    // Its extensions are those of another.
    let (old, old_state, old_tag) = connection(false);
    let (new, new_state, new_tag) = connection(false);
    let request = tagged(Script::data([5]), &old_tag);
    let response = call(&FlowControlLayer::new(), request, |mut request| {
        request.headers_mut().insert(&TAG, new_tag.clone());
        call(&FlowControlLayer::new(), request, |request| {
            Ok(Response::new(request.into_body()))
        })
    });
    let mut body = response.unwrap().into_body();
    next_length(&mut body);
    assert_eq!(look(&old, &old_state), (Some(5), false));
    assert_eq!(look(&new, &new_state), (Some(5), false));
    old_state.set_received(6, 65_535);
    new_state.set_received(6, 65_535);
    drop(body);
    assert_eq!(look(&old, &old_state), (None, true));
    assert_eq!(look(&new, &new_state), (None, true));
}

type Answer<B> = fn(Request<B>) -> Result<Response<Script>, &'static str>;

/// A layer's service is ready when the service inside is, and fails as it does.
fn assert_transparent<L, B>(layer: &L)
where
    L: Layer<Fake<Answer<B>>>,
    L::Service: Service<Request<Script>, Error = &'static str>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let answer: Answer<B> = |_| Err("it failed");
    let polled = [false, true].map(|is_ready| {
        let mut service = layer.layer(Fake { answer, is_ready });
        service.poll_ready(&mut cx)
    });
    assert_eq!(polled, [Poll::Pending, Poll::Ready(Err("not any more"))]);
    let request = Request::new(Script::data([]));
    let result = call_service(&mut layer.layer(Fake::new(answer)), request);
    assert_eq!(result.err(), Some("it failed"));
}

#[test]
fn readiness_and_errors_pass_through() {
    assert_transparent::<_, FlowControlBody<Script>>(&FlowControlLayer::new());
    assert_transparent::<_, Script>(&ClientFlowControlLayer::new());
    let mut service = FlowControlLayer::default().layer(7);
    assert_eq!((*service.get_ref(), *service.get_mut()), (7, 7));
    assert_eq!(service.into_inner(), 7);
    let mut service = ClientFlowControlLayer::default().layer(7);
    assert_eq!((*service.get_ref(), *service.get_mut()), (7, 7));
    assert_eq!(service.into_inner(), 7);
    let debug = format!("{:?}", FlowControlLayer::new().classify(|_| None));
    assert_eq!(debug, "FlowControlLayer { classify: true }");
    let debug = format!("{:?}", ClientFlowControlLayer::new());
    assert_eq!(debug, "ClientFlowControlLayer { classify: false }");
}

/// What hyper, hyper-util and tonic ask of a layer and of a client is there.
#[tokio::test]
async fn the_usual_stacks_take_both_layers() {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use hyper_util::service::TowerToHyperService;

    let (_, health) = tonic_health::server::health_reporter();
    let server = tonic::transport::Server::builder().layer(FlowControlLayer::new());
    drop(
        { server }
            .add_service(health)
            .serve_with_incoming(tokio_stream::empty::<
                Result<tokio::io::DuplexStream, std::io::Error>,
            >()),
    );
    let channel = tonic::transport::Endpoint::from_static("http://[::1]:1").connect_lazy();
    let channel = ClientFlowControlLayer::new().layer(channel);
    let client = tonic_health::pb::health_client::HealthClient::new(channel);
    drop(client.clone());

    let handler = Fake::new(|request: Request<FlowControlBody<hyper::body::Incoming>>| {
        Ok(Response::new(request.into_body()))
    });
    let service = TowerToHyperService::new(FlowControlLayer::new().layer(handler));
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let (io, _) = tokio::io::duplex(1);
    drop(builder.serve_connection(TokioIo::new(io), service));

    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new());
    let client = ClientFlowControlLayer::new().layer(client.build_http());
    let request = Request::get("http://[::1]:1/").body(String::new()).unwrap();
    let failed = { client }.call(request);
    let failed: Result<Response<FlowControlBody<hyper::body::Incoming>>, _> = failed.await;
    assert!(failed.is_err());
}
