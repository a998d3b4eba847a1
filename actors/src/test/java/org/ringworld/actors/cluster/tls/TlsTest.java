package org.ringworld.actors.cluster.tls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.ringworld.actors.cluster.tls.TestCertificates.YEAR;
import static org.ringworld.actors.cluster.tls.TestCertificates.authority;
import static org.ringworld.actors.cluster.tls.TestCertificates.ec;
import static org.ringworld.actors.cluster.tls.TestCertificates.node;
import static org.ringworld.actors.cluster.tls.TestCertificates.rsa;

import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
import java.util.concurrent.CompletableFuture;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.jcajce.JcaMiscPEMGenerator;
import org.bouncycastle.openssl.jcajce.JcaPKCS8Generator;
import org.bouncycastle.openssl.jcajce.JceOpenSSLPKCS8EncryptorBuilder;
import org.bouncycastle.openssl.jcajce.JcePEMEncryptorBuilder;
import org.bouncycastle.util.io.pem.PemObjectGenerator;
import org.bouncycastle.util.io.pem.PemWriter;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.ringworld.actors.cluster.NodeSettings;

/** What is wrong with an identity is said when it is read, and what is right with it is taken. */
class TlsTest {
    private static TestCertificates root;
    private static TestCertificates other;
    private static TestCertificates middle;
    private static TestCertificates direct;

    @TempDir private Path directory;

    @BeforeAll
    static void make() throws Exception {
        root = authority("root", null);
        other = authority("other", null);
        middle = authority("middle", root);
        direct = node(rsa(), root);
    }

    private Path in(String name) {
        return directory.resolve(name);
    }

    /** Whether two processes with these identities let each other in. */
    private static void shakeHands(Tls one, Tls two) throws Exception {
        try (SSLServerSocket server =
                (SSLServerSocket) one.context().getServerSocketFactory().createServerSocket(0)) {
            server.setNeedClientAuth(true);
            CompletableFuture<Integer> said =
                    CompletableFuture.supplyAsync(
                            () -> {
                                try (SSLSocket socket = (SSLSocket) server.accept()) {
                                    socket.setSoTimeout(20_000);
                                    int read = socket.getInputStream().read();
                                    socket.getOutputStream().write(read);
                                    return read;
                                } catch (IOException e) {
                                    throw new IllegalStateException(e);
                                }
                            });
            try (SSLSocket socket =
                    (SSLSocket)
                            two.context()
                                    .getSocketFactory()
                                    .createSocket("localhost", server.getLocalPort())) {
                socket.setSoTimeout(20_000);
                socket.getOutputStream().write(42);
                assertThat(socket.getInputStream().read()).isEqualTo(42);
            }
            assertThat(said.get()).isEqualTo(42);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"rsa pkcs8", "rsa pkcs1", "ec pkcs8", "ec sec1", "beside certificate"})
    void keysOfAllFormsAreRead(String form) throws Exception {
        TestCertificates node = node(form.startsWith("ec") ? ec() : rsa(), root);
        String key =
                switch (form) {
                    case "rsa pkcs1", "ec sec1" -> node.traditional();
                    case "beside certificate" -> node.pem() + node.pkcs8();
                    default -> node.pkcs8();
                };
        Tls mine = Tls.ofNode(TestCertificates.files(in("a"), key, node.pem(), root.pem()));
        Tls theirs =
                Tls.ofNode(
                        TestCertificates.files(in("b"), direct.pkcs8(), direct.pem(), root.pem()));
        shakeHands(mine, theirs);
        shakeHands(theirs, mine);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aChainLeadsToTheAuthority(boolean inOrder) throws Exception {
        TestCertificates one = node(ec(), middle);
        TestCertificates two = node(rsa(), middle);
        String chain = inOrder ? one.pem() + middle.pem() : middle.pem() + one.pem();
        Tls a = Tls.ofNode(TestCertificates.files(in("a"), one.pkcs8(), chain, root.pem()));
        Tls b =
                Tls.ofNode(
                        TestCertificates.files(
                                in("b"), two.pkcs8(), two.pem() + middle.pem(), root.pem()));
        shakeHands(a, b);
        shakeHands(b, a);
    }

    @Test
    void anyAuthorityOfABundleIsBelieved() throws Exception {
        TestCertificates old = authority("old", null, YEAR.negated());
        TestCertificates theirs = node(ec(), other);
        String bundle = old.pem() + root.pem() + other.pem();
        Tls a = Tls.ofNode(TestCertificates.files(in("a"), direct.pkcs8(), direct.pem(), bundle));
        Tls b = Tls.ofNode(TestCertificates.files(in("b"), theirs.pkcs8(), theirs.pem(), bundle));
        shakeHands(a, b);
        shakeHands(b, a);
    }

    @Test
    void whoIsOfAnotherAuthorityIsNotLetIn() throws Exception {
        TestCertificates theirs = node(ec(), other);
        Tls a =
                Tls.ofNode(
                        TestCertificates.files(in("a"), direct.pkcs8(), direct.pem(), root.pem()));
        Tls b =
                Tls.ofNode(
                        TestCertificates.files(
                                in("b"), theirs.pkcs8(), theirs.pem(), other.pem() + root.pem()));
        assertThatThrownBy(() -> shakeHands(a, b)).isInstanceOf(IOException.class);
        assertThatThrownBy(() -> shakeHands(b, a)).isInstanceOf(SSLException.class);
    }

    private void assertRefused(String key, String certificate, String authority, String... parts)
            throws Exception {
        NodeSettings.TlsFiles files =
                TestCertificates.files(in("bad"), key, certificate, authority);
        assertThatThrownBy(() -> Tls.ofNode(files))
                .isInstanceOf(IOException.class)
                .satisfies(e -> assertThat(e.getMessage()).contains(parts).doesNotContain("\n"));
    }

    private static String text(PemObjectGenerator object) throws IOException {
        StringWriter text = new StringWriter();
        try (PemWriter writer = new PemWriter(text)) {
            writer.writeObject(object);
        }
        return text.toString();
    }

    @Test
    void encryptedKeysAreRefusedByName() throws Exception {
        var encryptor =
                new JceOpenSSLPKCS8EncryptorBuilder(
                                org.bouncycastle.openssl.PKCS8Generator.AES_128_CBC)
                        .setProvider(new BouncyCastleProvider())
                        .setRandom(new SecureRandom())
                        .setPassword("secret".toCharArray())
                        .build();
        String pkcs8 = text(new JcaPKCS8Generator(direct.keys().getPrivate(), encryptor));
        String pkcs1 =
                text(
                        new JcaMiscPEMGenerator(
                                direct.keys().getPrivate(),
                                new JcePEMEncryptorBuilder("AES-128-CBC")
                                        .setProvider(new BouncyCastleProvider())
                                        .build("secret".toCharArray())));
        for (String key : new String[] {pkcs8, pkcs1}) {
            assertRefused(
                    key, direct.pem(), root.pem(), "node.key is encrypted", "openssl pkey -in");
        }
    }

    @Test
    void whatIsNotValidNowIsRefusedWithItsDate() throws Exception {
        Instant now = Instant.now();
        TestCertificates gone = node(direct.keys(), root, now.minus(YEAR), now.minusSeconds(60));
        assertRefused(direct.pkcs8(), gone.pem(), root.pem(), "node.crt", "ran out at 20");
        TestCertificates coming =
                node(
                        direct.keys(),
                        root,
                        Instant.parse("2140-01-01T00:00:00Z"),
                        Instant.parse("2141-01-01T00:00:00Z"));
        assertRefused(
                direct.pkcs8(), coming.pem(), root.pem(), "node.crt", "begins at 2140-01-01T00");
        TestCertificates oldMiddle = authority("middle", root, YEAR.negated());
        TestCertificates below = node(direct.keys(), oldMiddle);
        assertRefused(
                direct.pkcs8(),
                below.pem() + oldMiddle.pem(),
                root.pem(),
                "node.crt",
                "CN=middle ran out at");
        TestCertificates oldRoot = authority("root", null, YEAR.negated());
        TestCertificates left = node(direct.keys(), oldRoot);
        assertRefused(direct.pkcs8(), left.pem(), oldRoot.pem(), "ca.crt", "CN=root ran out at");
    }

    @Test
    void filesThatDoNotBelongTogetherAreRefused() throws Exception {
        TestCertificates second = node(ec(), root);
        assertRefused(
                second.pkcs8(), direct.pem(), root.pem(), "node.key", "not the key", "node.crt");
        TestCertificates stranger = node(ec(), other);
        assertRefused(
                stranger.pkcs8(), stranger.pem(), root.pem(), "node.crt", "ca.crt", "CN=root");
        TestCertificates below = node(ec(), middle);
        assertRefused(below.pkcs8(), below.pem(), root.pem(), "node.crt", "issued by CN=middle");
        // No handshake would ever succeed with it.
        assertRefused(direct.pkcs8(), direct.pem(), direct.pem(), "ca.crt", "its issuer, CN=root");
        TestCertificates server = TestCertificates.server(root);
        assertRefused(server.pkcs8(), server.pem(), root.pem(), "node.crt", "clientAuth");
    }

    @Test
    void filesThatAreNoneAreRefusedByName() throws Exception {
        String key = direct.pkcs8();
        assertRefused("nonsense", direct.pem(), root.pem(), "node.key", "no private key");
        assertRefused(direct.pem(), direct.pem(), root.pem(), "node.key", "no private key");
        assertRefused(key, "\0\1\2", root.pem(), "node.crt", "no certificate");
        assertRefused(key, key, root.pem(), "node.crt", "no certificate");
        assertRefused(key, direct.pem(), "", "ca.crt", "no certificate");
        String cut = direct.pem().substring(0, 200);
        assertRefused(key, cut, root.pem(), "node.crt");
        String damaged = TestCertificates.pem("CERTIFICATE", new byte[] {1, 2, 3});
        assertRefused(key, damaged, root.pem(), "node.crt");
        assertRefused(
                TestCertificates.pem("PRIVATE KEY", new byte[] {1, 2, 3}),
                direct.pem(),
                root.pem(),
                "node.key");
        NodeSettings.TlsFiles files =
                TestCertificates.files(in("x"), key, direct.pem(), root.pem());
        Files.delete(files.authority());
        assertThatThrownBy(() -> Tls.of(files))
                .hasMessageContaining("there is no file")
                .hasMessageContaining("ca.crt");
        Files.createDirectory(files.authority());
        assertThatThrownBy(() -> Tls.of(files)).hasMessageContaining("is a directory");
    }

    @Test
    void certificatesOfTheClustersHostsAreNodes() throws Exception {
        assertThat(
                        Identity.names(
                                Identity.of(
                                                TestCertificates.files(
                                                        in("n"),
                                                        direct.pkcs8(),
                                                        direct.pem(),
                                                        root.pem()))
                                        .chain()
                                        .getFirst()))
                .containsExactlyInAnyOrder("ringworld-node", "127.0.0.1");
    }
}
