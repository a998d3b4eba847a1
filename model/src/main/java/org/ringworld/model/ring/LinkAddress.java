package org.ringworld.model.ring;

import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Path;

/**
 * Where a process takes links.
 *
 * @param process tells processes apart, also those that had the same address one after the other
 * @param host of its TCP socket; empty where it takes links of its own JVM alone
 * @param socket its unix-domain socket, for processes of the same host; empty where it has none
 */
public record LinkAddress(String process, String host, int port, String socket) {

    /** Whether this process is on that host: those of one share its files, see each other die. */
    public boolean isOn(String other) {
        return host.equals(other) || (isLoopback(host) && isLoopback(other));
    }

    /** Its unix-domain socket. */
    public Path socketPath() {
        return Path.of(socket);
    }

    /** Whether a host's name means this machine alone. */
    public static boolean isLoopback(String host) {
        try {
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException e) {
            return false;
        }
    }

    @Override
    public String toString() {
        return host + ":" + port;
    }
}
