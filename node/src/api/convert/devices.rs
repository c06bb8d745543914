//! An agent's devices, from what the engine shows.

use conclave_protocol::view;

use crate::api::time::Time;
use crate::api::types::{Device, DeviceRequest, Devices, Named};
use crate::net::peer_id_of_device;

impl From<view::DeviceView> for Device {
    fn from(device: view::DeviceView) -> Self {
        Self {
            id: device.device,
            peer_id: peer_id_of_device(device.device).map(|peer| peer.to_string()),
            since: device.since.map(Time),
            this: device.this,
            active: device.active,
            countersigned: device.countersigned,
            unconfirmed: device.unconfirmed,
            connected: device.connected,
        }
    }
}

impl From<view::DeviceRequestView> for DeviceRequest {
    fn from(request: view::DeviceRequestView) -> Self {
        Self {
            name: request.name,
            device: request.device,
            code: request.code,
            expires: Time(request.expires),
            confirmed: request.confirmed,
        }
    }
}

impl From<view::DevicesView> for Devices {
    fn from(view: view::DevicesView) -> Self {
        Self {
            agent: Named::from(view.agent),
            devices: view.devices.into_iter().map(Device::from).collect(),
            requests: view.requests.into_iter().map(DeviceRequest::from).collect(),
        }
    }
}
