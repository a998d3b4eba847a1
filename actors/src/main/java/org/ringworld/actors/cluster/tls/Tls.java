package org.ringworld.actors.cluster.tls;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.X509Certificate;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManagerFactory;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.http.javadsl.ConnectionContext;
import org.apache.pekko.http.javadsl.Http;
import org.apache.pekko.http.javadsl.HttpsConnectionContext;
import org.ringworld.actors.cluster.NodeSettings;

/**
 * Mutual TLS from PEM files: who has no certificate of the cluster's authority is nobody.
 *
 * @param own this process's certificate
 */
public record Tls(SSLContext context, X509Certificate own) {

    /**
     * Reads a key, its certificate with those between it and an authority, and the authorities.
     *
     * @throws IOException in a sentence that names the file
     */
    public static Tls of(NodeSettings.TlsFiles files) throws IOException {
        return of(Identity.of(files), files);
    }

    /** The same for a node, which is both ends of connections. */
    public static Tls ofNode(NodeSettings.TlsFiles files) throws IOException {
        Identity identity = Identity.of(files);
        identity.checkPurposes(files.certificate());
        return of(identity, files);
    }

    private static Tls of(Identity identity, NodeSettings.TlsFiles files) throws IOException {
        try {
            KeyStore keys = KeyStore.getInstance("PKCS12");
            keys.load(null, null);
            X509Certificate[] chain = identity.chain().toArray(X509Certificate[]::new);
            keys.setKeyEntry("node", identity.key(), new char[0], chain);
            KeyStore trusted = KeyStore.getInstance("PKCS12");
            trusted.load(null, null);
            for (X509Certificate authority : identity.authorities()) {
                trusted.setCertificateEntry("authority-" + trusted.size(), authority);
            }
            KeyManagerFactory mine =
                    KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            mine.init(keys, new char[0]);
            TrustManagerFactory theirs =
                    TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            theirs.init(trusted);
            SSLContext context = SSLContext.getInstance("TLSv1.3");
            context.init(mine.getKeyManagers(), theirs.getTrustManagers(), null);
            return new Tls(context, chain[0]);
        } catch (GeneralSecurityException e) {
            throw new IOException(
                    "%s, %s and %s do not make an identity: %s"
                            .formatted(
                                    files.key(),
                                    files.certificate(),
                                    files.authority(),
                                    e.getMessage()),
                    e);
        }
    }

    SSLEngine engine(boolean client) {
        SSLEngine engine = context.createSSLEngine();
        engine.setUseClientMode(client);
        if (!client) {
            engine.setNeedClientAuth(true);
        }
        return engine;
    }

    /**
     * @param port which of the node's it is, in words
     */
    public HttpsConnectionContext server(String port) {
        return ConnectionContext.httpsServer(() -> new GuardedEngine(engine(false), port));
    }

    /** Probes of other nodes show this node's certificate. */
    public void useForBootstrap(ActorSystem<?> system) {
        Http.get(system)
                .setDefaultClientHttpsContext(
                        ConnectionContext.httpsClient((host, port) -> engine(true)));
    }
}
