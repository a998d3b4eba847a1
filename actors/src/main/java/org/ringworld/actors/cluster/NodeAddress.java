package org.ringworld.actors.cluster;

import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Where a node is.
 *
 * @param host its name or address as Pekko writes it: small letters, IPv6 without brackets
 * @param port the first of its six
 */
public record NodeAddress(String host, int port) {
    private static final String IPV6_LOOPBACK = "::1";
    private static final List<String> LOOPBACK = List.of("127.0.0.1", IPV6_LOOPBACK);
    private static final int LAST_PORT = 65_535 - 5;

    /**
     * A node's {@code host:port}; an IPv6 address stands in brackets.
     *
     * @param key what it is the value of, for the error
     * @throws IllegalArgumentException in a sentence
     */
    static NodeAddress of(String key, String text) {
        int colon = text.lastIndexOf(':');
        boolean bare = text.indexOf(':') < colon && !text.substring(0, colon).endsWith("]");
        if (colon < 1 || bare) {
            throw new IllegalArgumentException(
                    "%s holds %s; a node is host:port, as 10.0.0.1:25520 or [::1]:25520"
                            .formatted(key, text));
        }
        try {
            int port = Integer.parseInt(text.substring(colon + 1));
            return new NodeAddress(host(key, text.substring(0, colon)), port).checked(key);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(
                    "%s holds %s, whose port is no number; a node is host:port"
                            .formatted(key, text));
        }
    }

    /** Itself, where all six of its ports can be. */
    NodeAddress checked(String key) {
        if (port < 1 || port > LAST_PORT) {
            throw new IllegalArgumentException(
                    "%s: port %d; a node's first port is from 1 to %d, for it has the five after it too"
                            .formatted(key, port, LAST_PORT));
        }
        if (host.equals("0.0.0.0") || host.equals("0:0:0:0:0:0:0:0")) {
            throw new IllegalArgumentException(
                    "host = %s is every address, at which nobody reaches a node; give the one that the other nodes use"
                            .formatted(host));
        }
        return this;
    }

    /**
     * A host as Pekko writes it, so that one name is one node.
     *
     * @throws IllegalArgumentException for a name that Pekko cannot use
     */
    static String host(String key, String text) {
        String host = text.strip().toLowerCase(Locale.ROOT);
        if (host.startsWith("[") && host.endsWith("]")) {
            host = host.substring(1, host.length() - 1);
        }
        try {
            if (host.contains(":")) {
                InetAddress address = InetAddress.getByName(host); // asks no name server
                return address.isLoopbackAddress() ? IPV6_LOOPBACK : address.getHostAddress();
            }
            if (host.equals("localhost")) {
                String address = InetAddress.getByName(host).getHostAddress();
                return LOOPBACK.contains(address) ? address : IPV6_LOOPBACK;
            }
        } catch (UnknownHostException e) {
            throw new IllegalArgumentException("%s: %s is no address".formatted(key, text));
        }
        if (!isHost(host)) {
            throw new IllegalArgumentException(
                    "%s: %s is no name that Pekko can use, which takes letters, digits, dots and hyphens alone (no underscore); give the host's address, or another name of it"
                            .formatted(key, text));
        }
        return host;
    }

    private static boolean isHost(String host) {
        try {
            return host.equals(URI.create("pekko://ringworld@" + host + ":1").getHost());
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    /** Whether both are the same node, by whichever of its names. */
    boolean isSameAs(NodeAddress other) {
        if (port != other.port) {
            return false;
        }
        if (host.equals(other.host) || (LOOPBACK.contains(host) && LOOPBACK.contains(other.host))) {
            return true;
        }
        Set<InetAddress> both = new HashSet<>(addresses());
        both.retainAll(other.addresses());
        return !both.isEmpty();
    }

    private List<InetAddress> addresses() {
        try {
            return Arrays.asList(InetAddress.getAllByName(host));
        } catch (UnknownHostException e) {
            return List.of(); // it may come to have one; now it is nobody's
        }
    }

    boolean isIpv6() {
        return host.contains(":");
    }

    /** The host as a part of a URI. */
    String uriHost() {
        return isIpv6() ? "[" + host + "]" : host;
    }

    @Override
    public String toString() {
        return uriHost() + ":" + port;
    }
}
