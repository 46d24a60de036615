use super::*;
use crate::proto::frame::Frame;

/// A service that answers with the `priority` fields that it gets.
fn fields(request: Request<()>) -> Result<Response<Vec<String>>, &'static str> {
    let (head, ()) = request.into_parts();
    assert!(!head.headers.contains_key(&TAG));
    let fields = head.headers.get_all(&PRIORITY).iter();
    let fields = fields.map(|field| field.to_str().unwrap().to_owned());
    Ok(Response::new(fields.collect()))
}

/// What is sent for a request with this in its extensions, and these fields.
fn sent(
    layer: &ClientPriorityLayer,
    extension: Option<Priority>,
    fields_of_user: &[&str],
) -> Vec<String> {
    let mut request = Request::get("https://a/style.css");
    for field in fields_of_user {
        request = request.header("priority", *field);
    }
    let mut request = request.body(()).unwrap();
    if let Some(extension) = extension {
        request.extensions_mut().insert(extension);
    }
    call(layer, request, fields).unwrap().into_body()
}

#[test]
fn rfc9218_5_the_field_is_what_the_request_names() {
    let none: [&str; 0] = [];
    let plain = ClientPriorityLayer::new();
    let rule = ClientPriorityLayer::new().classify(|request| {
        let is_style = request.uri.path().ends_with(".css");
        is_style.then(|| Priority::new(1))
    });
    assert_eq!(sent(&plain, None, &[]), none);
    assert_eq!(sent(&plain, Some(Priority::new(7)), &[]), ["u=7"]);
    let incremental = Priority::default().incremental(true);
    assert_eq!(sent(&plain, Some(incremental), &[]), ["i"]);
    assert_eq!(sent(&rule, None, &[]), ["u=1"]);
    assert_eq!(sent(&rule, Some(Priority::new(7)), &[]), ["u=7"]);
    // The user's own stays, whatever it is.
    assert_eq!(
        sent(&rule, Some(Priority::new(7)), &["u=2", "x"]),
        ["u=2", "x"]
    );
    assert_eq!(sent(&rule, None, &["?"]), ["?"]);
}

#[test]
fn rfc9218_4_a_default_is_not_sent() {
    let layer = ClientPriorityLayer::new().classify(|_| Some(Priority::default()));
    assert!(sent(&layer, None, &[]).is_empty());
    // Nor what the rule would have said.
    let layer = ClientPriorityLayer::new().classify(|_| Some(Priority::new(1)));
    assert!(sent(&layer, Some(Priority::default()), &[]).is_empty());
    let layer = ClientPriorityLayer::new().classify(|_| None);
    assert!(sent(&layer, None, &[]).is_empty());
}

#[test]
fn the_response_has_a_handle_that_sends_updates() {
    let (shared, _, tag) = connection(true);
    let request = Request::builder().extension(Priority::new(5));
    let request = request.header(&TAG, "junk").body(()).unwrap();
    let response = call(&ClientPriorityLayer::new(), request, |request| {
        assert!(!request.headers().contains_key(&TAG));
        let response = Response::builder().header(&TAG, "junk").header(&TAG, &tag);
        Ok(response.body(()).unwrap())
    });
    let response = response.unwrap();
    assert!(response.headers().is_empty());
    let handle = response.extensions().get::<StreamHandle>().unwrap();
    assert_eq!(
        (handle.id(), handle.priority()),
        (stream(1), Priority::new(5))
    );
    handle.set_priority(Priority::new(0)).unwrap();
    assert_eq!(handle.priority(), Priority::new(0));
    assert!(!shared.has_says());
    let frame = shared.next_frame();
    assert_eq!(
        frame,
        Some(Frame::priority_update(stream(1), Priority::new(0)))
    );
    // By the connection's handle it is the same.
    let connection = handle.connection();
    connection
        .set_priority(stream(1), Priority::new(2))
        .unwrap();
    assert_eq!(handle.priority(), Priority::new(2));
    shared.close_stream(stream(1));
    let late = handle.set_priority(Priority::new(1));
    assert_eq!(late, Err(crate::HandleError::Closed));
    assert_eq!(handle.priority(), Priority::new(2));
}

#[test]
fn a_users_own_field_is_what_the_handle_shows() {
    let (_shared, state, tag) = connection(true);
    let request = Request::builder().header("priority", "u=6, i").body(());
    let response = call(&ClientPriorityLayer::new(), request.unwrap(), |_| {
        Ok(Response::builder().header(&TAG, &tag).body(()).unwrap())
    });
    assert!(response.is_ok());
    assert_eq!(state.priority(), Priority::new(6).incremental(true));
}

#[test]
fn a_forged_tag_of_a_response_is_removed() {
    let (shared, _, _) = connection(true);
    let mut tagger = shared.tagger().unwrap();
    tagger.nonce = !tagger.nonce;
    let forged = value(&tagger.field(stream(1)));
    let response = call(&ClientPriorityLayer::new(), Request::new(()), |_| {
        Ok(Response::builder().header(&TAG, &forged).body(()).unwrap())
    });
    let response = response.unwrap();
    assert!(response.headers().is_empty());
    assert!(response.extensions().is_empty());
}

#[test]
fn a_proxy_asks_for_what_its_client_asked() {
    let server = PriorityLayer::new();
    let client = ClientPriorityLayer::new();
    let request = Request::builder()
        .header("priority", "u=1")
        .body(())
        .unwrap();
    let response = call(&server, request, |mut request| {
        // A proxy that makes its own fields.
        request.headers_mut().clear();
        call(&client, request, fields)
    });
    assert_eq!(response.unwrap().into_body(), ["u=1"]);
}

#[test]
fn readiness_and_errors_pass_through() {
    assert_transparent(&ClientPriorityLayer::new());
    let mut service = ClientPriorityLayer::default().layer(7);
    assert_eq!((*service.get_ref(), *service.get_mut()), (7, 7));
    assert_eq!(service.into_inner(), 7);
    let debug = format!("{:?}", ClientPriorityLayer::new());
    assert_eq!(debug, "ClientPriorityLayer { classify: false }");
}
