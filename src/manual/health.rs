//! Health endpoints: what each Azure product asks, and how to set it up.
//!
//! An application mounts [`Endpoints`](crate::health) once. Each product is pointed at the path that
//! tells it what it can act on. This page says which, with a configuration to copy for each.
//!
//! # Which path for whom
//!
//! | path | who asks | says | fails when |
//! |---|---|---|---|
//! | `/livez` | Kubernetes and Container Apps: liveness | whether the process is wedged | its event loop stands still. Never for a dependency, never while it drains |
//! | `/startupz` | Kubernetes and Container Apps: startup | whether it has warmed up | not yet. Once up, it stays up |
//! | `/readyz` | Load Balancer, Application Gateway, App Service, Kubernetes and Container Apps: readiness | whether *this instance* should get traffic | it starts, drains, is wedged, or something of its own fails |
//! | `/healthz/region` | Traffic Manager, Front Door | whether *this region* should get traffic | a critical dependency that all instances share is down, the operator drains the region, or this instance can not answer |
//! | `/vmss` | the Application Health extension with rich states | whether this machine should be repaired | it is wedged, or something of its own fails. Not while it drains |
//! | `/vmss-binary` | the same extension with binary states | the same | the same, and while it starts |
//! | `/health` | people and monitors with a token | everything | as readiness |
//!
//! # What they make of it
//!
//! At their defaults, once they have asked often enough. The example `health` shows it second by
//! second, and a test holds each cell.
//!
//! | | starting | healthy | degraded | dependency down | wedged | draining |
//! |---|---|---|---|---|---|---|
//! | Load Balancer | out | in | in | in | out | out |
//! | Application Gateway | out | in | in | in | out | out |
//! | Traffic Manager | Degraded | Online | Online | **Degraded** | Degraded | Degraded |
//! | Front Door | out | in | in | **out** | out | out |
//! | App Service | out | in | in | in | out | out |
//! | Container Apps | waits | ready | ready | ready | **restart** | not ready |
//! | Kubernetes | waits | ready | ready | ready | **restart** | not ready |
//! | Scale set, binary | Unhealthy | Healthy | Healthy | Healthy | **Unhealthy** | Healthy |
//! | Scale set, rich | Initializing | Healthy | Healthy | Healthy | **Unhealthy** | Healthy |
//!
//! A shared database that is down is the region's matter: were readiness to fail, every instance
//! would leave every balancer at once, and there would be nobody left to say so. The global tiers
//! have somewhere else to send traffic; they are told.
//!
//! # Load Balancer
//!
//! Takes 200 alone for an answer, and one failure is enough. It stops new flows only: what is kept
//! alive goes on, so a drain also asks clients to [leave](crate::health::drain).
//!
//! ```bicep
//! probes: [
//!   {
//!     name: 'readyz'
//!     properties: {
//!       protocol: 'Http'
//!       port: 8080
//!       requestPath: '/readyz'
//!       intervalInSeconds: 5
//!       probeThreshold: 1
//!     }
//!   }
//! ]
//! ```
//!
//! Probes come from 168.63.129.16 (service tag `AzureLoadBalancer`); let them reach the port.
//!
//! # Application Gateway
//!
//! Takes 200 to 399 by default. The match on the body makes sure that it is this application that
//! answers, and not a page that something else puts in its place.
//!
//! ```bicep
//! probes: [
//!   {
//!     name: 'readyz'
//!     properties: {
//!       protocol: 'Http'
//!       port: 8080
//!       host: '127.0.0.1'
//!       path: '/readyz'
//!       interval: 10
//!       timeout: 5
//!       unhealthyThreshold: 3
//!       match: {
//!         statusCodes: ['200']
//!         body: '"status":"Healthy"'
//!       }
//!     }
//!   }
//! ]
//! ```
//!
//! Every instance of the gateway probes for itself, once for each pair of listener and setting.
//!
//! # Traffic Manager
//!
//! Takes 200 alone, asks from many places, and acts through DNS: who has resolved the name goes on
//! until its time to live has passed.
//!
//! ```bicep
//! resource profile 'Microsoft.Network/trafficmanagerprofiles@2022-04-01' = {
//!   name: 'shop'
//!   location: 'global'
//!   properties: {
//!     trafficRoutingMethod: 'Priority'
//!     dnsConfig: { relativeName: 'shop', ttl: 30 }
//!     monitorConfig: {
//!       protocol: 'HTTPS'
//!       port: 443
//!       path: '/healthz/region'
//!       intervalInSeconds: 10
//!       timeoutInSeconds: 5
//!       toleratedNumberOfFailures: 2
//!       expectedStatusCodeRanges: [{ min: 200, max: 200 }]
//!     }
//!   }
//! }
//! ```
//!
//! # Front Door
//!
//! Asks with HEAD by default, from every edge location: the answer costs no check, however many
//! ask.
//!
//! ```bicep
//! resource origins 'Microsoft.Cdn/profiles/originGroups@2024-02-01' = {
//!   parent: profile
//!   name: 'shop'
//!   properties: {
//!     healthProbeSettings: {
//!       probePath: '/healthz/region'
//!       probeRequestType: 'HEAD'
//!       probeProtocol: 'Https'
//!       probeIntervalInSeconds: 30
//!     }
//!     loadBalancingSettings: {
//!       sampleSize: 4
//!       successfulSamplesRequired: 3
//!       additionalLatencyInMilliseconds: 50
//!     }
//!   }
//! }
//! ```
//!
//! # App Service
//!
//! Asks once a minute, removes an instance after ten failures, and replaces it after an hour. It is
//! no means to drain by: App Service takes an instance out itself before it stops it.
//!
//! ```bicep
//! siteConfig: {
//!   healthCheckPath: '/readyz'
//!   appSettings: [{ name: 'WEBSITE_HEALTHCHECK_MAXPINGFAILURES', value: '5' }]
//! }
//! ```
//!
//! On Windows it sends a header that proves who asks; the endpoints verify it on demand.
//!
//! # Container Apps
//!
//! ```bicep
//! template: {
//!   terminationGracePeriodSeconds: 60
//!   containers: [
//!     {
//!       name: 'shop'
//!       image: image
//!       probes: [
//!         {
//!           type: 'Startup'
//!           httpGet: { path: '/startupz', port: 8080 }
//!           periodSeconds: 1
//!           timeoutSeconds: 1
//!           failureThreshold: 240
//!         }
//!         {
//!           type: 'Liveness'
//!           httpGet: { path: '/livez', port: 8080 }
//!           periodSeconds: 10
//!           timeoutSeconds: 1
//!           failureThreshold: 3
//!         }
//!         {
//!           type: 'Readiness'
//!           httpGet: { path: '/readyz', port: 8080 }
//!           periodSeconds: 5
//!           timeoutSeconds: 1
//!           failureThreshold: 3
//!         }
//!       ]
//!     }
//!   ]
//! }
//! ```
//!
//! Of itself Container Apps fails readiness after 48 times five seconds, which is no use when an
//! instance is to leave.
//!
//! # Kubernetes
//!
//! ```yaml
//! terminationGracePeriodSeconds: 60
//! containers:
//!   - name: shop
//!     startupProbe:
//!       httpGet: { path: /startupz, port: 8080 }
//!       periodSeconds: 1
//!       failureThreshold: 300
//!     livenessProbe:
//!       httpGet: { path: /livez, port: 8080 }
//!       periodSeconds: 10
//!       timeoutSeconds: 1
//!       failureThreshold: 3
//!     readinessProbe:
//!       httpGet: { path: /readyz, port: 8080 }
//!       periodSeconds: 5
//!       timeoutSeconds: 1
//!       failureThreshold: 3
//! ```
//!
//! The kubelet asks the pod's own address, so the server must listen on it and not on loopback
//! alone. An endpoint is removed at the same time as SIGTERM is sent, and not before: keep serving
//! for a while, as the [drain](crate::health::drain) does.
//!
//! # Virtual machine scale set
//!
//! With rich states, an instance that is starting stays `Initializing` for the grace period, and a
//! rolling upgrade skips one that drains.
//!
//! ```bicep
//! extensionProfile: {
//!   extensions: [
//!     {
//!       name: 'health'
//!       properties: {
//!         publisher: 'Microsoft.ManagedServices'
//!         type: 'ApplicationHealthLinux'
//!         typeHandlerVersion: '2.0'
//!         autoUpgradeMinorVersion: true
//!         settings: {
//!           protocol: 'http'
//!           port: 8080
//!           requestPath: '/vmss'
//!           intervalInSeconds: 5
//!           numberOfProbes: 3
//!           gracePeriod: 600
//!         }
//!       }
//!     }
//!   ]
//! }
//! scheduledEventsProfile: {
//!   terminateNotificationProfile: { enable: true, notBeforeTimeout: 'PT10M' }
//! }
//! ```
//!
//! With binary states, `typeHandlerVersion` is `1.0` and `requestPath` `/vmss-binary`. A scale set
//! has one source of health: the extension or a probe of the load balancer.
//!
//! # API Management
//!
//! Does not probe. Its breaker trips on what the application answers, so the 503 with a
//! `Retry-After` of an instance that drains is heard:
//!
//! ```bicep
//! resource backend 'Microsoft.ApiManagement/service/backends@2023-09-01-preview' = {
//!   parent: service
//!   name: 'shop'
//!   properties: {
//!     protocol: 'http'
//!     url: 'https://shop.example.net'
//!     circuitBreaker: {
//!       rules: [
//!         {
//!           name: 'unavailable'
//!           tripDuration: 'PT10S'
//!           acceptRetryAfter: true
//!           failureCondition: {
//!             count: 5
//!             interval: 'PT10S'
//!             statusCodeRanges: [{ min: 500, max: 599 }]
//!           }
//!         }
//!       ]
//!     }
//!   }
//! }
//! ```
//!
//! # What to expose
//!
//! Answers for the anonymous are of one size for each status and name nothing. Everything else
//! needs a token of at least 32 bytes, in `Authorization` alone. The server listens on loopback
//! unless it is told an address; where the probes come from elsewhere, give it the one of the
//! network that they come from.
