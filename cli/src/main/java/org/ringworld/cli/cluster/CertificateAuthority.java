package org.ringworld.cli.cluster;

import java.io.IOException;
import java.io.StringWriter;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.BasicConstraints;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.asn1.x509.KeyUsage;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.cert.jcajce.JcaX509v3CertificateBuilder;
import org.bouncycastle.openssl.jcajce.JcaMiscPEMGenerator;
import org.bouncycastle.openssl.jcajce.JcaPKCS8Generator;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.util.io.pem.PemObjectGenerator;
import org.bouncycastle.util.io.pem.PemWriter;
import org.ringworld.model.training.job.UsageException;

/**
 * Makes an authority and the certificates that it signs. Apart from the command, so that the
 * command line runs where Bouncy Castle is not.
 */
public final class CertificateAuthority {
    private static final Duration LIFE = Duration.ofDays(5 * 365);
    private static final int BITS = 3072;

    /** Pekko's own check asks that two nodes have a name in common. */
    private static final String COMMON = "ringworld-node";

    private static final SecureRandom RANDOM = new SecureRandom();

    private CertificateAuthority() {}

    /** Writes those of {@code hosts} to a new directory, with the authority's own. */
    public static void make(Path out, List<String> hosts)
            throws IOException, GeneralSecurityException {
        if (Files.exists(out.resolve("ca.key"))) {
            throw new UsageException(out + " holds an authority already; choose another directory");
        }
        Files.createDirectories(out);
        KeyPair authority = keys();
        X500Name name = new X500Name("CN=ringworld-authority");
        X509v3CertificateBuilder own = builder(name, authority, name, authority);
        own.addExtension(Extension.basicConstraints, true, new BasicConstraints(0));
        own.addExtension(
                Extension.keyUsage, true, new KeyUsage(KeyUsage.keyCertSign | KeyUsage.cRLSign));
        write(out, "ca", authority, own.build(signer(authority)));
        for (String host : hosts) {
            KeyPair node = keys();
            X509v3CertificateBuilder certificate =
                    builder(name, authority, new X500Name("CN=" + COMMON), node);
            certificate.addExtension(Extension.basicConstraints, true, new BasicConstraints(false));
            certificate.addExtension(
                    Extension.keyUsage,
                    true,
                    new KeyUsage(KeyUsage.digitalSignature | KeyUsage.keyEncipherment));
            KeyPurposeId[] purposes = {
                KeyPurposeId.id_kp_serverAuth, KeyPurposeId.id_kp_clientAuth
            };
            certificate.addExtension(
                    Extension.extendedKeyUsage, false, new ExtendedKeyUsage(purposes));
            certificate.addExtension(Extension.subjectAlternativeName, false, names(host));
            write(out, host, node, certificate.build(signer(authority)));
        }
    }

    private static GeneralNames names(String host) {
        boolean address = host.matches("[0-9.]+") || host.contains(":");
        List<GeneralName> names = new ArrayList<>();
        names.add(new GeneralName(GeneralName.dNSName, COMMON));
        names.add(new GeneralName(address ? GeneralName.iPAddress : GeneralName.dNSName, host));
        return new GeneralNames(names.toArray(GeneralName[]::new));
    }

    private static KeyPair keys() throws GeneralSecurityException {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(BITS);
        return generator.generateKeyPair();
    }

    private static X509v3CertificateBuilder builder(
            X500Name issuer, KeyPair signer, X500Name subject, KeyPair of) {
        Instant now = Instant.now();
        return new JcaX509v3CertificateBuilder(
                issuer,
                new BigInteger(127, RANDOM),
                Date.from(now.minus(Duration.ofHours(1))),
                Date.from(now.plus(LIFE)),
                subject,
                of.getPublic());
    }

    private static ContentSigner signer(KeyPair authority) throws GeneralSecurityException {
        try {
            return new JcaContentSignerBuilder("SHA256withRSA").build(authority.getPrivate());
        } catch (OperatorCreationException e) {
            throw new GeneralSecurityException(e);
        }
    }

    private static void write(
            Path out, String name, KeyPair keys, X509CertificateHolder certificate)
            throws IOException {
        Files.writeString(out.resolve(name + ".crt"), pem(new JcaMiscPEMGenerator(certificate)));
        Path key = out.resolve(name + ".key");
        Files.createFile(
                key,
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        String text = pem(new JcaPKCS8Generator(keys.getPrivate(), null));
        Files.writeString(key, text, StandardOpenOption.TRUNCATE_EXISTING);
    }

    private static String pem(PemObjectGenerator object) throws IOException {
        StringWriter text = new StringWriter();
        try (PemWriter writer = new PemWriter(text)) {
            writer.writeObject(object);
        }
        return text.toString();
    }
}
