// Loaded into Azurite before its own code, so that it does as its owner says, who holds its standard input.
import net from 'node:net';

const servers = new Set();
const sockets = new Set();
let crashed = false;
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (...how) {
  servers.add(this);
  this.on('connection', (socket) => {
    // Taken from the queue after the port was closed.
    if (crashed) return void socket.resetAndDestroy();
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return listen.apply(this, how);
};

// Whoever talks to it sees a crash; but what was acknowledged gets to the disk, which else lags by seconds.
process.stdin.on('data', () => {
  crashed = true;
  servers.forEach((server) => server.close());
  sockets.forEach((socket) => socket.resetAndDestroy());
  // It ends when it has nothing left to do, or else when its own save, every 5 s, has been.
  process.stdin.removeAllListeners('end').destroy();
  setTimeout(() => process.exit(), 15_000).unref();
  process.kill(process.pid, 'SIGTERM');
});
// The system closes it, however the owner ends.
process.stdin.on('end', () => process.exit());
