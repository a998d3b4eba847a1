package org.ringworld.actors.cluster.tls;

import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;
import org.apache.pekko.remote.artery.tcp.SSLEngineProvider;
import org.apache.pekko.remote.artery.tcp.SSLEngineProviderSetup;
import org.ringworld.actors.cluster.NodeAddress;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import scala.Option;

/**
 * Artery's TLS, of the same identity as all other ports'; connections that are refused are told of.
 * An authority may issue certificates for much else than nodes: a node's names one of the cluster's
 * hosts, or has a name in common with this one's.
 */
public final class ArteryTls implements SSLEngineProvider {
    private static final Logger LOG = LoggerFactory.getLogger(ArteryTls.class);

    private final Tls tls;
    private final Set<String> known;

    private ArteryTls(Tls tls, List<NodeAddress> peers) throws CertificateException {
        this.tls = tls;
        this.known = new TreeSet<>(Identity.names(tls.own()));
        peers.forEach(peer -> known.add(peer.host()));
    }

    /** What an actor system is started with. */
    public static SSLEngineProviderSetup setup(Tls tls, List<NodeAddress> peers) {
        try {
            ArteryTls provider = new ArteryTls(tls, peers);
            return SSLEngineProviderSetup.create(_ -> provider);
        } catch (CertificateException e) {
            throw new IllegalArgumentException("tls.certificate has no name: " + e.getMessage(), e);
        }
    }

    @Override
    public SSLEngine createServerSSLEngine(String host, int port) {
        return new GuardedEngine(tls.engine(false), "nodes");
    }

    @Override
    public SSLEngine createClientSSLEngine(String host, int port) {
        return tls.engine(true);
    }

    @Override
    public Option<Throwable> verifyClientSession(String host, SSLSession session) {
        return verify(host, session);
    }

    @Override
    public Option<Throwable> verifyServerSession(String host, SSLSession session) {
        return verify(host, session);
    }

    /** The handshake has proved that it is of an authority. */
    private Option<Throwable> verify(String host, SSLSession session) {
        try {
            X509Certificate peer = (X509Certificate) session.getPeerCertificates()[0];
            Set<String> names = Identity.names(peer);
            if (names.stream().anyMatch(known::contains)) {
                return Option.empty();
            }
            String sentence =
                    "the certificate of %s is for %s, which is no node of this cluster (%s)"
                            .formatted(host, names, known);
            LOG.warn("refused a connection to the port for nodes: {}", sentence);
            return Option.apply(new CertificateException(sentence));
        } catch (SSLPeerUnverifiedException | CertificateException e) {
            return Option.apply(e);
        }
    }
}
