package org.ringworld.actors.cluster.tls;

import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateFactory;
import java.security.cert.CertificateNotYetValidException;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import javax.naming.InvalidNameException;
import javax.naming.ldap.LdapName;
import org.ringworld.actors.cluster.NodeSettings;

/**
 * Who a node is and whom it believes. All that can be known to be wrong with it is found when it is
 * read: later it would only be one handshake after the other that fails.
 *
 * @param chain this node's certificate, then its issuer's, and so on, as far as the file has them
 * @param authorities that are good now
 */
record Identity(PrivateKey key, List<X509Certificate> chain, List<X509Certificate> authorities) {
    private static final String SERVER = "1.3.6.1.5.5.7.3.1";
    private static final String CLIENT = "1.3.6.1.5.5.7.3.2";
    private static final String ANY_PURPOSE = "2.5.29.37.0";

    /**
     * Reads it.
     *
     * @throws IOException in a sentence that names the file
     */
    static Identity of(NodeSettings.TlsFiles files) throws IOException {
        PrivateKey key = PemFiles.key(files.key());
        List<X509Certificate> given = PemFiles.certificates("tls.certificate", files.certificate());
        List<X509Certificate> chain = chain(key, given, files);
        for (X509Certificate certificate : chain) {
            checkDates("tls.certificate", files.certificate(), certificate);
        }
        List<X509Certificate> authorities = authorities(files.authority());
        checkIssued(chain, authorities, files);
        return new Identity(key, chain, authorities);
    }

    /** Puts the certificate of this key first and each one's issuer behind it. */
    private static List<X509Certificate> chain(
            PrivateKey key, List<X509Certificate> given, NodeSettings.TlsFiles files)
            throws IOException {
        List<X509Certificate> chain = new ArrayList<>();
        Optional<X509Certificate> next = Optional.empty();
        for (X509Certificate certificate : given) {
            if (next.isEmpty() && belong(key, files.key(), certificate)) {
                next = Optional.of(certificate);
            }
        }
        if (next.isEmpty()) {
            throw new IOException(
                    "tls.key = %s is not the key of tls.certificate = %s (%s)"
                            .formatted(files.key(), files.certificate(), name(given.getFirst())));
        }
        while (next.isPresent()) {
            X509Certificate last = next.get();
            chain.add(last);
            next = given.stream().filter(c -> !chain.contains(c) && issued(c, last)).findFirst();
        }
        return chain;
    }

    private static boolean belong(PrivateKey key, Path file, X509Certificate certificate)
            throws IOException {
        String algorithm =
                switch (key.getAlgorithm()) {
                    case "RSA" -> "SHA256withRSA";
                    case "EC" -> "SHA256withECDSA";
                    default -> key.getAlgorithm();
                };
        byte[] text = {1, 2, 3};
        Signature signature;
        byte[] signed;
        try {
            signature = Signature.getInstance(algorithm);
            signature.initSign(key);
            signature.update(text);
            signed = signature.sign();
        } catch (GeneralSecurityException e) {
            throw PemFiles.unusable(file, e);
        }
        try {
            signature.initVerify(certificate.getPublicKey());
            signature.update(text);
            return signature.verify(signed);
        } catch (GeneralSecurityException e) {
            return false; // of another kind
        }
    }

    private static boolean issued(X509Certificate issuer, X509Certificate certificate) {
        try {
            certificate.verify(issuer.getPublicKey());
            return issuer.getSubjectX500Principal().equals(certificate.getIssuerX500Principal());
        } catch (GeneralSecurityException e) {
            return false;
        }
    }

    /** Those of the file that are good now: one that ran out may lie beside its successor. */
    private static List<X509Certificate> authorities(Path file) throws IOException {
        List<X509Certificate> given = PemFiles.certificates("tls.authority", file);
        List<X509Certificate> good = new ArrayList<>();
        IOException first = null;
        for (X509Certificate authority : given) {
            try {
                checkDates("tls.authority", file, authority);
                good.add(authority);
            } catch (IOException e) {
                first = first == null ? e : first;
            }
        }
        if (good.isEmpty()) {
            throw first;
        }
        return good;
    }

    private static void checkDates(String key, Path file, X509Certificate certificate)
            throws IOException {
        String what = null;
        Instant when = null;
        try {
            certificate.checkValidity();
        } catch (CertificateExpiredException e) {
            what = "ran out";
            when = certificate.getNotAfter().toInstant();
        } catch (CertificateNotYetValidException e) {
            what = "is not valid yet: it begins";
            when = certificate.getNotBefore().toInstant();
        }
        if (what != null) {
            throw new IOException(
                    "%s = %s: the certificate of %s %s at %s, and this host's clock says %s; give one that is valid now"
                            .formatted(
                                    key,
                                    file,
                                    name(certificate),
                                    what,
                                    when,
                                    Instant.now()
                                            .truncatedTo(java.time.temporal.ChronoUnit.SECONDS)));
        }
    }

    /** Whoever trusts the same authorities will believe this chain. */
    private static void checkIssued(
            List<X509Certificate> chain,
            List<X509Certificate> authorities,
            NodeSettings.TlsFiles files)
            throws IOException {
        X509Certificate own = chain.getFirst();
        if (authorities.contains(own)) {
            if (!own.getIssuerX500Principal().equals(own.getSubjectX500Principal())) {
                throw new IOException(
                        "tls.authority = %s holds the node's own certificate: give that of its issuer, %s"
                                .formatted(
                                        files.authority(), own.getIssuerX500Principal().getName()));
            }
            return; // trusted by itself
        }
        List<X509Certificate> below =
                chain.stream().takeWhile(c -> !authorities.contains(c)).toList();
        try {
            PKIXParameters parameters =
                    new PKIXParameters(
                            authorities.stream()
                                    .map(a -> new TrustAnchor(a, null))
                                    .collect(Collectors.toSet()));
            parameters.setRevocationEnabled(false);
            CertPathValidator.getInstance("PKIX")
                    .validate(
                            CertificateFactory.getInstance("X.509").generateCertPath(below),
                            parameters);
        } catch (GeneralSecurityException e) {
            throw new IOException(
                    "tls.certificate = %s (%s, issued by %s) is of no authority in tls.authority = %s (%s), which a chain of certificates in the file must lead to: %s"
                            .formatted(
                                    files.certificate(),
                                    name(chain.getFirst()),
                                    chain.getLast().getIssuerX500Principal(),
                                    files.authority(),
                                    authorities.stream()
                                            .map(Identity::name)
                                            .collect(Collectors.joining("; ")),
                                    e.getMessage()),
                    e);
        }
    }

    /**
     * A node is both ends of connections.
     *
     * @throws IOException where its certificate is for one of them alone
     */
    void checkPurposes(Path file) throws IOException {
        try {
            List<String> purposes = chain.getFirst().getExtendedKeyUsage();
            if (purposes != null
                    && !purposes.contains(ANY_PURPOSE)
                    && !purposes.containsAll(List.of(SERVER, CLIENT))) {
                throw new IOException(
                        "tls.certificate = %s is not for both ends of a connection: a node's has extendedKeyUsage = serverAuth, clientAuth"
                                .formatted(file));
            }
        } catch (CertificateException e) {
            throw new IOException(
                    "tls.certificate = %s cannot be read: %s".formatted(file, e.getMessage()), e);
        }
    }

    private static String name(X509Certificate certificate) {
        return certificate.getSubjectX500Principal().toString();
    }

    /** The hosts and names that a certificate is for: common name, DNS names and addresses. */
    static Set<String> names(X509Certificate certificate) throws CertificateException {
        Set<String> names = new TreeSet<>();
        try {
            String subject = certificate.getSubjectX500Principal().getName();
            new LdapName(subject)
                    .getRdns().stream()
                            .filter(r -> r.getType().equalsIgnoreCase("CN"))
                            .forEach(
                                    r ->
                                            names.add(
                                                    r.getValue()
                                                            .toString()
                                                            .toLowerCase(Locale.ROOT)));
        } catch (InvalidNameException e) {
            throw new CertificateException(e);
        }
        if (certificate.getSubjectAlternativeNames() != null) {
            for (List<?> name : certificate.getSubjectAlternativeNames()) {
                if (name.get(1) instanceof String text) {
                    names.add(text.toLowerCase(Locale.ROOT));
                }
            }
        }
        return names;
    }
}
