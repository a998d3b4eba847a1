package org.ringworld.actors.cluster.tls;

import java.io.IOException;
import java.io.StringWriter;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.util.io.pem.PemObject;
import org.bouncycastle.util.io.pem.PemWriter;
import org.ringworld.actors.cluster.NodeSettings;

/** Authorities and nodes' certificates, as openssl would make them. */
record TestCertificates(KeyPair keys, X509CertificateHolder certificate) {
    private static final SecureRandom RANDOM = new SecureRandom();
    static final Duration YEAR = Duration.ofDays(365);

    static KeyPair rsa() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        return generator.generateKeyPair();
    }

    static KeyPair ec() throws Exception {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
        generator.initialize(new ECGenParameterSpec("secp256r1"));
        return generator.generateKeyPair();
    }

    /** A certificate of {@code subject} by {@code issuer}; by itself where that is null. */
    private static TestCertificates make(
            String subject,
            KeyPair keys,
            TestCertificates issuer,
            Instant from,
            Instant to,
            boolean authority,
            KeyPurposeId... purposes)
            throws Exception {
        X500Name name = new X500Name("CN=" + subject);
        KeyPair signer = issuer == null ? keys : issuer.keys;
        var builder =
                new JcaX509v3CertificateBuilder(
                        issuer == null ? name : issuer.certificate.getSubject(),
                        new BigInteger(64, RANDOM),
                        Date.from(from),
                        Date.from(to),
                        name,
                        keys.getPublic());
        builder.addExtension(Extension.basicConstraints, true, new BasicConstraints(authority));
        if (authority) {
            builder.addExtension(Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign));
        } else {
            builder.addExtension(Extension.extendedKeyUsage, false, new ExtendedKeyUsage(purposes));
            GeneralName[] names = {
                new GeneralName(GeneralName.dNSName, subject),
                new GeneralName(GeneralName.iPAddress, "127.0.0.1")
            };
            builder.addExtension(Extension.subjectAlternativeName, false, new GeneralNames(names));
        }
        String algorithm =
                signer.getPrivate().getAlgorithm().equals("RSA")
                        ? "SHA256withRSA"
                        : "SHA256withECDSA";
        var by = new JcaContentSignerBuilder(algorithm).build(signer.getPrivate());
        return new TestCertificates(keys, builder.build(by));
    }

    static TestCertificates authority(String name, TestCertificates by) throws Exception {
        return authority(name, by, YEAR);
    }

    /**
     * @param life from now; negative: it ran out so long ago
     */
    static TestCertificates authority(String name, TestCertificates by, Duration life)
            throws Exception {
        Instant now = Instant.now();
        return make(name, ec(), by, now.minus(YEAR.multipliedBy(2)), now.plus(life), true);
    }

    static TestCertificates node(KeyPair keys, TestCertificates by) throws Exception {
        Instant now = Instant.now();
        return node(keys, by, now.minusSeconds(60), now.plus(YEAR));
    }

    static TestCertificates node(KeyPair keys, TestCertificates by, Instant from, Instant to)
            throws Exception {
        return make(
                "ringworld-node",
                keys,
                by,
                from,
                to,
                false,
                KeyPurposeId.id_kp_serverAuth,
                KeyPurposeId.id_kp_clientAuth);
    }

    static TestCertificates server(TestCertificates by) throws Exception {
        Instant now = Instant.now();
        Instant from = now.minusSeconds(60);
        return make("web", ec(), by, from, now.plus(YEAR), false, KeyPurposeId.id_kp_serverAuth);
    }

    String pem() throws IOException {
        return pem("CERTIFICATE", certificate.getEncoded());
    }

    String pkcs8() throws IOException {
        return pem("PRIVATE KEY", keys.getPrivate().getEncoded());
    }

    /** PKCS #1 of an RSA key, SEC 1 of an EC key. */
    String traditional() throws IOException {
        byte[] key =
                PrivateKeyInfo.getInstance(keys.getPrivate().getEncoded())
                        .parsePrivateKey()
                        .toASN1Primitive()
                        .getEncoded();
        if (keys.getPrivate().getAlgorithm().equals("RSA")) {
            return pem("RSA PRIVATE KEY", key);
        }
        // As openssl ecparam -genkey writes it: the curve first, and in the key again.
        var info = PrivateKeyInfo.getInstance(keys.getPrivate().getEncoded());
        var curve = info.getPrivateKeyAlgorithm().getParameters();
        var whole = org.bouncycastle.asn1.sec.ECPrivateKey.getInstance(key);
        var named = new org.bouncycastle.asn1.sec.ECPrivateKey(256, whole.getKey(), curve);
        return pem("EC PARAMETERS", curve.toASN1Primitive().getEncoded())
                + pem("EC PRIVATE KEY", named.getEncoded());
    }

    static String pem(String type, byte[] bytes) throws IOException {
        StringWriter text = new StringWriter();
        try (PemWriter writer = new PemWriter(text)) {
            writer.writeObject(new PemObject(type, bytes));
        }
        return text.toString();
    }

    /** Writes the files of an identity into a directory of its own. */
    static NodeSettings.TlsFiles files(
            Path directory, String key, String certificate, String authority) throws IOException {
        Files.createDirectories(directory);
        return new NodeSettings.TlsFiles(
                Files.writeString(directory.resolve("node.key"), key),
                Files.writeString(directory.resolve("node.crt"), certificate),
                Files.writeString(directory.resolve("ca.crt"), authority));
    }
}
