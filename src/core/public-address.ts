import type { ClientRequest } from 'node:http';
import { BlockList, isIP, type LookupFunction } from 'node:net';

/**
 * Addresses that are no public internet: this machine, this network, the metadata service, documentation, multicast
 * (IANA special-purpose registries). IPv6 that carries an IPv4 address is judged by that address.
 */
const NOT_PUBLIC = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  NOT_PUBLIC.addSubnet(net, prefix, 'ipv4');
/** Of IPv6 only global unicast is public (2000::/3), without its special parts. */
const PUBLIC6 = new BlockList();
PUBLIC6.addSubnet('2000::', 3, 'ipv6');
for (const [net, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const)
  NOT_PUBLIC.addSubnet(net, prefix, 'ipv6');

/** Whether an address belongs to the public internet. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !NOT_PUBLIC.check(address, 'ipv4');
  if (isIP(address) !== 6) return false;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped) return isPublicAddress(mapped);
  return PUBLIC6.check(address, 'ipv6') && !NOT_PUBLIC.check(address, 'ipv6');
}

/**
 * Ends a request whose socket turns out to lead where it must not, before a byte of it is sent: the look-up was pinned to a
 * checked address already, and this holds whatever else stands between.
 */
export function checkAtConnect(request: ClientRequest, allowed: (address: string) => boolean): void {
  request.once('socket', (socket) => {
    const check = () => {
      if (!allowed(socket.remoteAddress ?? '')) request.destroy(new Error('an address that is not allowed'));
    };
    // Before TLS: the name of the host is not told to a wrong one either.
    if (socket.connecting) socket.once('connect', check);
    else check();
  });
}

/**
 * A look-up that answers with an address that was looked up and checked before, whatever the name: a name that answers
 * differently the second time leads nowhere.
 */
export function pinnedLookup(address: string, family: number): LookupFunction {
  return (_host, { all }, done) => {
    if (all) done(null, [{ address, family }]);
    else done(null, address, family);
  };
}
