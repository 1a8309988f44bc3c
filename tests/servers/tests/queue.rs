//! Queues through the SDK's own client, with Seawall around it and without.

use azure_core::http::{ClientOptions, RequestContent, XmlFormat};
use azure_storage_queue::models::QueueMessage;
use azure_storage_queue::{QueueClient, QueueServiceClient, QueueServiceClientOptions};
use http::Method;
use seawall::azure::{Resilience, is_ambiguous};
use seawall_servers::proxy::{Fault, When};
use seawall_servers::{Azurite, Options, Proxy};

#[tokio::test(flavor = "multi_thread")]
async fn the_bare_client_sends_twice_when_an_answer_is_lost() {
    let Some(world) = World::start().await else { return };
    let queue = world.queue(|_| {}).await;

    send_with_a_lost_answer(&world, &queue).await.unwrap();

    assert_eq!(messages(&queue).await, ["two chairs", "two chairs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_sent_once_and_known_to_be_ambiguous() {
    let Some(world) = World::start().await else { return };
    let orders = Resilience::storage("orders").build().unwrap();
    let queue = world.queue(|options| orders.apply(options)).await;

    let error = send_with_a_lost_answer(&world, &queue).await.unwrap_err();

    assert!(is_ambiguous(&error), "{error:?}");
    assert_eq!(messages(&queue).await, ["two chairs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_never_left_is_sent_again() {
    let Some(world) = World::start().await else { return };
    let orders = Resilience::storage("orders").build().unwrap();
    let queue = world.queue(|options| orders.apply(options)).await;
    let busy = Fault::status(503).header("retry-after", "0");
    let post = world.proxy.fault(When::any().method(Method::POST).times(1), busy);

    queue.send_message(message(), None).await.unwrap();

    assert_eq!(post.matched(), 2);
    assert_eq!(messages(&queue).await, ["two chairs"]);
}

async fn send_with_a_lost_answer(world: &World, queue: &QueueClient) -> azure_core::Result<()> {
    world.proxy.fault(When::any().method(Method::POST).times(1), Fault::LoseAnswer);
    queue.send_message(message(), None).await?;
    Ok(())
}

fn message() -> RequestContent<QueueMessage, XmlFormat> {
    let message = QueueMessage { message_text: Some("two chairs".into()) };
    RequestContent::try_from(message).expect("it can be written")
}

async fn messages(queue: &QueueClient) -> Vec<String> {
    let options = azure_storage_queue::models::QueueClientPeekMessagesOptions {
        number_of_messages: Some(10),
        ..Default::default()
    };
    let seen = queue.peek_messages(Some(options)).await.expect("it can be read");
    let seen = seen.into_model().expect("it is well formed").items.unwrap_or_default();
    seen.into_iter().filter_map(|message| message.message_text).collect()
}

struct World {
    azurite: Azurite,
    proxy: Proxy,
}

impl World {
    async fn start() -> Option<Self> {
        let azurite = Azurite::start(Options::default()).await?;
        let proxy = Proxy::start(azurite.queue_port()).await;
        Some(Self { azurite, proxy })
    }

    async fn queue(&self, wrap: impl FnOnce(&mut ClientOptions)) -> QueueClient {
        let transport = Some(self.azurite.wire().transport());
        let mut client_options = ClientOptions { transport, ..ClientOptions::default() };
        wrap(&mut client_options);
        let url = self.azurite.account().sas(self.proxy.url(self.azurite.queues()));
        let options = QueueServiceClientOptions { client_options, ..Default::default() };
        let client = QueueServiceClient::new(url, None, Some(options)).expect("a good address");
        let queue = client.queue_client("orders").expect("a good name");
        queue.create(None).await.expect("it is new");
        queue
    }
}
