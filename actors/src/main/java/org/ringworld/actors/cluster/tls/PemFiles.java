package org.ringworld.actors.cluster.tls;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.List;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.edec.EdECObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x9.X9ObjectIdentifiers;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.openssl.PEMEncryptedKeyPair;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.openssl.X509TrustedCertificateBlock;
import org.bouncycastle.pkcs.PKCS8EncryptedPrivateKeyInfo;
import org.ringworld.actors.Faults;

/** Keys and certificates in the forms that openssl writes as text. */
final class PemFiles {
    private PemFiles() {}

    /**
     * The first private key of a file: PKCS #1, PKCS #8 or SEC 1; RSA, EC or EdDSA.
     *
     * @throws IOException naming the file, for one that is encrypted too
     */
    static PrivateKey key(Path file) throws IOException {
        for (Object object : objects(file)) {
            switch (object) {
                case PEMKeyPair pair -> {
                    return key(file, pair.getPrivateKeyInfo());
                }
                case PrivateKeyInfo info -> {
                    return key(file, info);
                }
                case PEMEncryptedKeyPair _, PKCS8EncryptedPrivateKeyInfo _ ->
                        throw new IOException(
                                "tls.key = %s is encrypted, and nobody is here to be asked for its passphrase: write it without one (openssl pkey -in %s -out plain.key), readable by this user alone"
                                        .formatted(file, file));
                default -> {} // EC parameters, or certificates beside the key
            }
        }
        throw new IOException(
                "tls.key = %s holds no private key as PEM (-----BEGIN PRIVATE KEY-----)"
                        .formatted(file));
    }

    private static PrivateKey key(Path file, PrivateKeyInfo info) throws IOException {
        try {
            return KeyFactory.getInstance(algorithm(info.getPrivateKeyAlgorithm().getAlgorithm()))
                    .generatePrivate(new PKCS8EncodedKeySpec(info.getEncoded()));
        } catch (GeneralSecurityException e) {
            throw unusable(file, e);
        }
    }

    /** A key of a kind that TLS here has no use for. */
    static IOException unusable(Path file, GeneralSecurityException e) {
        return new IOException(
                "tls.key = %s cannot be used: %s; RSA, EC (P-256, P-384, P-521) and Ed25519 can"
                        .formatted(file, e.getMessage()),
                e);
    }

    private static String algorithm(ASN1ObjectIdentifier id) {
        if (id.equals(PKCSObjectIdentifiers.rsaEncryption)) {
            return "RSA";
        }
        if (id.equals(PKCSObjectIdentifiers.id_RSASSA_PSS)) {
            return "RSASSA-PSS";
        }
        if (id.equals(X9ObjectIdentifiers.id_ecPublicKey)) {
            return "EC";
        }
        boolean edwards =
                id.equals(EdECObjectIdentifiers.id_Ed25519)
                        || id.equals(EdECObjectIdentifiers.id_Ed448);
        return edwards ? "EdDSA" : id.getId();
    }

    /**
     * All certificates of a file, in its order; one at least.
     *
     * @param key what the file is the value of, for the error
     */
    static List<X509Certificate> certificates(String key, Path file) throws IOException {
        List<X509Certificate> all = new ArrayList<>();
        try {
            CertificateFactory x509 = CertificateFactory.getInstance("X.509");
            for (Object object : objects(file)) {
                X509CertificateHolder holder =
                        switch (object) {
                            case X509CertificateHolder h -> h;
                            case X509TrustedCertificateBlock block -> block.getCertificateHolder();
                            default -> null;
                        };
                if (holder != null) {
                    var bytes = new ByteArrayInputStream(holder.getEncoded());
                    all.add((X509Certificate) x509.generateCertificate(bytes));
                }
            }
        } catch (GeneralSecurityException e) {
            throw new IOException(
                    "%s = %s cannot be read: %s".formatted(key, file, e.getMessage()), e);
        }
        if (all.isEmpty()) {
            throw new IOException(
                    "%s = %s holds no certificate as PEM (-----BEGIN CERTIFICATE-----)"
                            .formatted(key, file));
        }
        return all;
    }

    private static List<Object> objects(Path file) throws IOException {
        // Bytes of another kind of file are no text; then there is nothing to be found in them.
        String text = new String(bytes(file), StandardCharsets.ISO_8859_1);
        List<Object> objects = new ArrayList<>();
        try (PEMParser parser = new PEMParser(new StringReader(text))) {
            for (Object next = parser.readObject(); next != null; next = parser.readObject()) {
                objects.add(next);
            }
        } catch (IOException | RuntimeException e) {
            throw new IOException("%s is damaged: %s".formatted(file, e.getMessage()), e);
        }
        return objects;
    }

    private static byte[] bytes(Path file) throws IOException {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new IOException(
                    Files.isDirectory(file)
                            ? file + " is a directory, not a PEM file"
                            : Faults.sentence(e),
                    e);
        }
    }
}
