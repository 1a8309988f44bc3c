use azure_data_cosmos_driver as _;
use azure_data_cosmos_driver::in_memory_emulator::InMemoryEmulatorHttpClient;
#[test]
fn x() {
    let _: Option<InMemoryEmulatorHttpClient> = None;
}
