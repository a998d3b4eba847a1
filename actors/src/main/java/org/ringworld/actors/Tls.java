package org.ringworld.actors;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.TrustManagerFactory;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.http.javadsl.ConnectionContext;
import org.apache.pekko.http.javadsl.Http;
import org.apache.pekko.http.javadsl.HttpsConnectionContext;

/** Mutual TLS from PEM files: who has no certificate of the cluster's authority is nobody. */
public record Tls(SSLContext context) {

    /** Reads a PKCS #8 RSA key, its certificate and the authority's. */
    public static Tls of(NodeSettings.Tls files) throws IOException {
        try {
            CertificateFactory x509 = CertificateFactory.getInstance("X.509");
            Certificate own = certificate(x509, files.certificate());
            KeyStore keys = KeyStore.getInstance("PKCS12");
            keys.load(null, null);
            keys.setKeyEntry("node", key(files.key()), new char[0], new Certificate[] {own});
            KeyStore trusted = KeyStore.getInstance("PKCS12");
            trusted.load(null, null);
            trusted.setCertificateEntry("authority", certificate(x509, files.authority()));
            KeyManagerFactory mine =
                    KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            mine.init(keys, new char[0]);
            TrustManagerFactory theirs =
                    TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            theirs.init(trusted);
            SSLContext context = SSLContext.getInstance("TLSv1.3");
            context.init(mine.getKeyManagers(), theirs.getTrustManagers(), null);
            return new Tls(context);
        } catch (GeneralSecurityException | IllegalArgumentException e) {
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

    private static Certificate certificate(CertificateFactory x509, Path file)
            throws IOException, GeneralSecurityException {
        return x509.generateCertificate(new ByteArrayInputStream(Files.readAllBytes(file)));
    }

    private static PrivateKey key(Path file) throws IOException, GeneralSecurityException {
        String pem = Files.readString(file);
        String body =
                pem.replaceFirst("(?s).*-----BEGIN PRIVATE KEY-----", "")
                        .replaceFirst("(?s)-----END.*", "");
        byte[] der = Base64.getMimeDecoder().decode(body);
        return KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(der));
    }

    private SSLEngine engine(boolean client) {
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
    HttpsConnectionContext server(String port) {
        return ConnectionContext.httpsServer(() -> new GuardedEngine(engine(false), port));
    }

    /** Probes of other nodes show this node's certificate. */
    void useForBootstrap(ActorSystem<?> system) {
        Http.get(system)
                .setDefaultClientHttpsContext(
                        ConnectionContext.httpsClient((host, port) -> engine(true)));
    }
}
