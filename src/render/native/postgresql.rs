//! PostgreSQL: the accounts and projects of Uptrace. As root it runs as the user postgres, since it refuses to run as
//! root, and its data lies where that user can reach it. In a machine it has a user of its own, as all have there.
//!
//! Everything that it is told stands in its arguments: as another user it could not read a file in the environment's
//! folder. None of it is secret.

use super::{Native, Prepare, RenderError, View, file, folder, plain, text};
use crate::model::component::ComponentName::Postgresql;
use crate::model::file::Folder;
use crate::model::paths::Layout;
use crate::model::probe::Probe;
use crate::model::quantity::Span;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The role and the database of Uptrace.
pub const UPTRACE: &str = "uptrace";
/// Linux takes no longer path for a socket, and the socket's own name needs some of it.
const LONGEST_SOCKET_FOLDER: usize = 107 - "/.s.PGSQL.65535".len();

/// What PostgreSQL needs in order to run.
pub fn native(view: &View<'_>) -> Result<Native, RenderError> {
    let port = view.port(Postgresql, "postgres")?;
    let place = Place::new(view)?;
    let setup = file(view.paths.config(Postgresql).join("setup.sql"), setup()?);
    let files = vec![setup];
    let mut argv = place.as_server_user(&[&place.program("postgres")?, "-D", &place.cluster]);
    for setting in settings(view)? {
        argv.extend(["-c".to_owned(), setting]);
    }
    argv.extend(["-c".to_owned(), format!("port={port}"), "-c".to_owned(), "listen_addresses=127.0.0.1".to_owned()]);
    argv.extend(["-c".to_owned(), format!("unix_socket_directories=\"{}\"", place.socket)]);
    let prepare = Prepare {
        commands: place.commands(&text(&files[0].path)?)?,
        env: BTreeMap::new(),
        proof: view.paths.prepared(Postgresql),
    };
    let mut service = view.service(Postgresql, argv, &[])?;
    service.cwd = place.base.clone();
    service.stop_timeout = Span::seconds(30);
    let ready = Probe::Postgres { port, program: place.program("pg_isready")? };
    Ok(Native {
        folders: place.folders(view),
        files,
        prepare: Some(prepare),
        service,
        ready: vec![ready],
        address: format!("postgresql://{UPTRACE}@127.0.0.1:{port}/{UPTRACE}"),
        page: None,
    })
}

/// How much it may take, and that it writes no more than one server alone needs.
fn settings(view: &View<'_>) -> Result<Vec<String>, RenderError> {
    let memory = view.active(Postgresql)?.component.memory.bytes() >> 20;
    Ok(vec![
        format!("shared_buffers={}MB", (memory / 4).max(16)),
        format!("maintenance_work_mem={}MB", (memory / 8).max(8)),
        "work_mem=2MB".to_owned(),
        "max_connections=40".to_owned(),
        "wal_level=minimal".to_owned(),
        "max_wal_senders=0".to_owned(),
        "max_wal_size=128MB".to_owned(),
        "autovacuum_max_workers=1".to_owned(),
        "jit=off".to_owned(),
        "password_encryption=scram-sha-256".to_owned(),
    ])
}

/// Uptrace's role and database. Nobody else may enter.
fn setup() -> Result<String, RenderError> {
    let password = plain(Postgresql, UPTRACE)?;
    Ok(format!(
        "\
-- Made by reportctl: run once, by the one-time preparation of PostgreSQL.
SET password_encryption = 'scram-sha-256';
CREATE ROLE {UPTRACE} LOGIN PASSWORD '{password}';
CREATE DATABASE {UPTRACE} OWNER {UPTRACE};
REVOKE ALL ON DATABASE {UPTRACE} FROM PUBLIC;
REVOKE ALL ON DATABASE postgres FROM PUBLIC;
"
    ))
}

/// Where its data is and who it runs as.
struct Place {
    /// Holds the two below.
    base: PathBuf,
    /// The data.
    cluster: String,
    /// The folder of its socket, which only the server's user and root enter.
    socket: String,
    /// The folder of its programs.
    bin: PathBuf,
    /// The user, where it is not the one who runs the command.
    owner: Option<&'static str>,
}

impl Place {
    fn new(view: &View<'_>) -> Result<Self, RenderError> {
        let as_root = view.uid == 0 && view.paths.layout == Layout::Folder;
        let base = if as_root { view.paths.shared_data.join("postgresql") } else { view.paths.data(Postgresql) };
        let socket = text(&base.join("socket"))?;
        if socket.len() > LONGEST_SOCKET_FOLDER {
            return Err(RenderError::SocketPath(socket.into()));
        }
        let program = &view.active(Postgresql)?.program.path;
        Ok(Self {
            cluster: text(&base.join("cluster"))?,
            socket,
            bin: program.parent().unwrap_or(Path::new("/")).to_owned(),
            owner: as_root.then_some("postgres"),
            base,
        })
    }

    fn program(&self, name: &str) -> Result<String, RenderError> {
        text(&self.bin.join(name))
    }

    fn folders(&self, view: &View<'_>) -> Vec<Folder> {
        let owned = |path: PathBuf| Folder { path, mode: 0o700, owner: self.owner.map(str::to_owned) };
        vec![folder(view.paths.config(Postgresql)), owned(self.base.clone()), owned(self.base.join("socket"))]
    }

    /// The command as the user that the server runs as.
    fn as_server_user(&self, argv: &[&str]) -> Vec<String> {
        let become_user: &[&str] = match self.owner {
            Some(_) => &["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--no-new-privs"],
            None => &[],
        };
        become_user.iter().chain(argv).map(|word| (*word).to_owned()).collect()
    }

    /// The preparation. All of it happens beside the place where the data will be, and is moved there as a whole at the
    /// end: so what was cut off is begun anew, and data that is there is never written over but put aside.
    fn commands(&self, setup: &str) -> Result<Vec<Vec<String>>, RenderError> {
        let (draft, log) = (text(&self.base.join("cluster.new"))?, text(&self.base.join("prepare.log"))?);
        let initdb = self.program("initdb")?;
        let pg_ctl = self.program("pg_ctl")?;
        let psql = self.program("psql")?;
        // pg_ctl hands this to a shell; what would be special there is in none of our paths. A statement that fails is
        // not logged, since one of them holds a password.
        let options = format!(
            "-c listen_addresses='' -c port=5432 -c unix_socket_directories='\"{}\"' -c log_min_error_statement=panic",
            self.socket
        );
        let start = ["-D", &draft, "-l", &log, "-o", &options, "-w", "-s", "start"];
        Ok(vec![
            self.as_server_user(&["/bin/rm", "-rf", "--", &draft]),
            self.as_server_user(&[
                &initdb,
                "--pgdata",
                &draft,
                "--username=postgres",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--data-checksums",
                "--no-instructions",
            ]),
            self.as_server_user(&[&[pg_ctl.as_str()], &start[..]].concat()),
            // As the user who runs the command: only that one can read the file.
            [psql.as_str(), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--host", &self.socket, "--port=5432"]
                .into_iter()
                .chain(["--username=postgres", "--dbname=postgres", "--file", setup])
                .map(str::to_owned)
                .collect(),
            self.as_server_user(&[&pg_ctl, "-D", &draft, "-w", "-s", "-m", "fast", "stop"]),
            self.as_server_user(&[
                "/bin/mv",
                "--backup=numbered",
                "--no-target-directory",
                "--",
                &draft,
                &self.cluster,
            ]),
        ])
    }
}
