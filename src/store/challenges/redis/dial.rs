//! Connecting: to one server, to the master that Sentinels name, to a Cluster; with TLS wherever the URLs say so.

use crate::config::{Endpoint, Redis, RedisMode, RedisServer};
use ::redis::aio::MultiplexedConnection;
use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use ::redis::io::AsyncDNSResolver;
use ::redis::io::tcp::TcpSettings;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisError, RedisFuture, RedisResult, ServerErrorKind, TlsCertificates, Value,
};
use data_encoding::BASE64;
use std::net::SocketAddr;
use std::time::Duration;

/// Calls that wait to be written; more wait where they are made, no longer than their timeout.
const BUFFER: usize = 1024;
/// So many nodes of a Cluster, taken at random, must be silent before it counts as lost: one that is down is no reason
/// to give the others up.
const NODES: usize = 5;
/// A request in a Cluster is sent again where a node says that another one has the slot by now.
const REDIRECTS: u32 = 3;

/// A connection; clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    /// The master that Sentinels named.
    Master(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    pub(super) async fn run(&mut self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::One(connection) | Self::Master(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }

    /// Whether an error says that another connection is needed. A Cluster's looks after its own.
    pub(super) fn is_lost_by(&self, error: &RedisError) -> bool {
        let replica = [ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown].map(ErrorKind::Server);
        match self {
            Self::One(_) => error.is_unrecoverable_error(),
            Self::Master(_) => error.is_unrecoverable_error() || replica.contains(&error.kind()),
            Self::Cluster(_) => false,
        }
    }
}

/// Knows how to connect.
pub(super) struct Dialer {
    settings: Redis,
    /// Authorities in PEM form; `None`: those of the system.
    authorities: Option<Vec<u8>>,
    cluster: Option<ClusterClient>,
}

impl Dialer {
    pub(super) fn new(settings: &Redis) -> RedisResult<Self> {
        let authorities = (!settings.authorities.is_empty()).then(|| pem(settings));
        let mut dialer = Self { settings: settings.clone(), authorities, cluster: None };
        if settings.mode == RedisMode::Cluster {
            dialer.cluster = Some(dialer.cluster_client()?);
        }
        // What is wrong with the authorities shows now and not at the first login.
        for server in &settings.servers {
            dialer.client(&server.endpoint, server.tls, true)?;
        }
        Ok(dialer)
    }

    pub(super) async fn connect(&self) -> RedisResult<Connection> {
        match &self.settings.mode {
            RedisMode::Standalone => {
                let server = self.settings.servers.first().ok_or_else(no_server)?;
                let mut connection = Connection::One(self.dial(&server.endpoint, server.tls, true).await?);
                // Without a password nothing was said yet, and a port that accepts is no Redis that answers.
                self.check(&mut connection).await?;
                Ok(connection)
            }
            RedisMode::Sentinel(name) => self.master(name).await,
            RedisMode::Cluster => {
                let client = self.cluster.as_ref().ok_or_else(no_server)?;
                self.in_time(client.get_async_connection()).await.map(Connection::Cluster)
            }
        }
    }

    /// Asks whether it still is what it was.
    pub(super) async fn check(&self, connection: &mut Connection) -> RedisResult<()> {
        match connection {
            Connection::One(one) => ::redis::cmd("PING").query_async::<()>(one).await,
            Connection::Master(master) => is_master(master).await,
            Connection::Cluster(cluster) => {
                let mut last = Ok(());
                for _ in 0..NODES {
                    let random = RoutingInfo::SingleNode(SingleNodeRoutingInfo::Random);
                    last = cluster.route_command(::redis::cmd("PING"), random).await.map(drop);
                    if last.is_ok() {
                        break;
                    }
                }
                last
            }
        }
    }

    /// Asks the Sentinels in turn; one that is behind may name a server that is master no longer.
    async fn master(&self, name: &str) -> RedisResult<Connection> {
        let mut last = no_server();
        for RedisServer { endpoint, tls, .. } in &self.settings.servers {
            match self.master_by(endpoint, *tls, name).await {
                Ok(connection) => return Ok(Connection::Master(connection)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn master_by(
        &self,
        sentinel: &Endpoint,
        tls: bool,
        name: &str,
    ) -> RedisResult<MultiplexedConnection> {
        let mut sentinel = self.dial(sentinel, tls, self.settings.sentinel_auth).await?;
        let mut ask = ::redis::cmd("SENTINEL");
        ask.arg("get-master-addr-by-name").arg(name);
        let Some((host, port)) = ask.query_async::<Option<(String, u16)>>(&mut sentinel).await? else {
            let what = format!("the Sentinels know no `{name}`: see `master` in [redis]");
            return Err(RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, "no master", what)));
        };
        let mut master = self.dial(&Endpoint::Tcp(host, port), tls, true).await?;
        is_master(&mut master).await?;
        Ok(master)
    }

    async fn dial(&self, endpoint: &Endpoint, tls: bool, login: bool) -> RedisResult<MultiplexedConnection> {
        let client = self.client(endpoint, tls, login)?;
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.settings.timeout))
            .set_response_timeout(Some(self.settings.timeout))
            .set_pipeline_buffer_size(BUFFER);
        if !tls {
            config = config.set_dns_resolver(ThisMachine);
        }
        self.in_time(client.get_multiplexed_async_connection_with_config(&config)).await
    }

    /// Some steps of connecting have timeouts in the crate, some have none.
    async fn in_time<T>(&self, connecting: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        let enough = self.settings.timeout * 3 + Duration::from_millis(500);
        let late = || RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        tokio::time::timeout(enough, connecting).await.map_err(|_| late())?
    }

    fn client(&self, endpoint: &Endpoint, tls: bool, login: bool) -> RedisResult<Client> {
        let info = self.info(endpoint, tls, login)?;
        match &self.authorities {
            Some(root) if tls => {
                let root_cert = Some(root.clone());
                Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })
            }
            _ => Client::open(info),
        }
    }

    fn info(&self, endpoint: &Endpoint, tls: bool, login: bool) -> RedisResult<ConnectionInfo> {
        let address = match endpoint {
            Endpoint::Unix(path) => ConnectionAddr::Unix(path.clone()),
            Endpoint::Tcp(host, port) if tls => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            }
            Endpoint::Tcp(host, port) => ConnectionAddr::Tcp(host.clone(), *port),
        };
        let info = address.into_connection_info()?;
        // CLIENT SETINFO would be one more command to allow.
        let mut settings = info.redis_settings().clone().set_skip_set_lib_name();
        if let Some(secret) = self.settings.secret.as_ref().filter(|_| login) {
            settings = settings.set_password(secret.expose());
            if !self.settings.user.is_empty() {
                settings = settings.set_username(&self.settings.user);
            }
        }
        Ok(info.set_redis_settings(settings).set_tcp_settings(at_once()))
    }

    fn cluster_client(&self) -> RedisResult<ClusterClient> {
        let node = |server: &RedisServer| self.info(&server.endpoint, server.tls, true);
        let nodes: Vec<_> = self.settings.servers.iter().map(node).collect::<RedisResult<_>>()?;
        let timeout = self.settings.timeout;
        let mut builder = ClusterClient::builder(nodes)
            .retries(REDIRECTS)
            .min_retry_wait(10)
            .max_retry_wait(100)
            .connection_timeout(timeout)
            .response_timeout(timeout)
            .tcp_settings(at_once());
        if let Some(root) = &self.authorities {
            builder = builder.certs(TlsCertificates { client_tls: None, root_cert: Some(root.clone()) });
        }
        if self.settings.servers.iter().any(|server| !server.tls) {
            builder = builder.async_dns_resolver(ThisMachine);
        }
        builder.build()
    }
}

/// A call must not wait for the acknowledgement of the one before it (Nagle), which may come only with its answer.
fn at_once() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

async fn is_master(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    let role: Vec<Value> = ::redis::cmd("ROLE").query_async(connection).await?;
    let role: String = role.first().map(::redis::from_redis_value_ref).transpose()?.unwrap_or_default();
    if role == "master" {
        return Ok(());
    }
    let what = format!("it is `{role}`; the Sentinels have not agreed yet, or one of them is behind");
    Err(RedisError::from((ErrorKind::Client, "this Redis is not the master", what)))
}

fn no_server() -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, "`urls` in [redis] names no server"))
}

fn pem(settings: &Redis) -> Vec<u8> {
    let mut text = String::new();
    for authority in &settings.authorities {
        text += "-----BEGIN CERTIFICATE-----\n";
        // Base64 of 64 characters a line has 4 for each 3 octets.
        for line in authority.as_ref().chunks(48) {
            text += &BASE64.encode(line);
            text += "\n";
        }
        text += "-----END CERTIFICATE-----\n";
    }
    text.into_bytes()
}

/// Without TLS, nothing leaves this machine: neither to where a name leads, nor to what Sentinels or a Cluster name.
struct ThisMachine;

impl AsyncDNSResolver for ThisMachine {
    fn resolve<'a, 'b: 'a>(
        &'a self,
        host: &'b str,
        port: u16,
    ) -> RedisFuture<'a, Box<dyn Iterator<Item = SocketAddr> + Send + 'a>> {
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((host, port))
                .await?
                .filter(|found| found.ip().is_loopback())
                .collect();
            if found.is_empty() {
                let what = format!("{host}:{port} is not on this machine: use rediss://");
                return Err(RedisError::from((ErrorKind::InvalidClientConfig, "TLS is needed", what)));
            }
            let found: Box<dyn Iterator<Item = SocketAddr> + Send + 'a> = Box::new(found.into_iter());
            Ok(found)
        })
    }
}
