package org.ringworld.tokenizer;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.el.JinjavaInterpreterResolver;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import java.io.IOException;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Locale;
import jinjava.javax.el.CompositeELResolver;
import jinjava.javax.el.ELContext;

/**
 * Jinja as chat templates need it: Transformers' settings and functions, and Python's names for
 * what a string can do. Templates come from files of strangers: nothing of Java, no file and no
 * other template can be reached from one. Public as the library calls its functions.
 */
public final class ChatJinja {
    private static final int LONGEST = 1 << 26;

    private ChatJinja() {}

    static Jinjava create() {
        Jinjava jinja =
                new Jinjava(
                        JinjavaConfig.newBuilder()
                                .withTrimBlocks(true)
                                .withLstripBlocks(true)
                                .withKeepTrailingNewline(true)
                                // Else braces in a message would be a template themselves.
                                .withNestedInterpretationEnabled(false)
                                .withMaxRenderDepth(10)
                                .withMaxMacroRecursionDepth(10)
                                .withMaxOutputSize(LONGEST)
                                .withElResolver(new PythonStrings())
                                .withLegacyOverrides(
                                        LegacyOverrides.newBuilder()
                                                .withEvaluateMapKeys(true)
                                                .withIterateOverMapKeys(true)
                                                .withUsePyishObjectMapper(true)
                                                .withUseNaturalOperatorPrecedence(true)
                                                .withParseWhitespaceControlStrictly(true)
                                                .withAllowAdjacentTextNodes(true)
                                                .withUseTrimmingForNotesAndExpressions(true)
                                                .withKeepNullableLoopValues(true)
                                                .build())
                                .build());
        jinja.setResourceLocator(
                (name, encoding, interpreter) -> {
                    throw new IOException("a chat template reads no other file: " + name);
                });
        jinja.getGlobalContext()
                .registerFunction(
                        new ELFunctionDefinition(
                                "", "raise_exception", ChatJinja.class, "refuse", String.class));
        jinja.getGlobalContext()
                .registerFunction(
                        new ELFunctionDefinition(
                                "", "strftime_now", ChatJinja.class, "now", String.class));
        return jinja;
    }

    /** What {@code raise_exception} does. */
    public static String refuse(String why) {
        throw new Refused(why);
    }

    /** What {@code strftime_now} does; templates ask for the day, month and year. */
    public static String now(String format) {
        String pattern =
                format.replace("%d", "dd")
                        .replace("%b", "MMM")
                        .replace("%B", "MMMM")
                        .replace("%m", "MM")
                        .replace("%Y", "yyyy");
        return LocalDateTime.now().format(DateTimeFormatter.ofPattern(pattern, Locale.ENGLISH));
    }

    private static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;

        Refused(String why) {
            super(why);
        }
    }

    /** The template's own words where it refused, else the library's. */
    static String reason(TemplateError error) {
        for (Throwable t = error.getException(); t != null; t = t.getCause()) {
            if (t instanceof Refused) {
                return t.getMessage();
            }
        }
        return error.getMessage();
    }

    private static final class PythonStrings extends CompositeELResolver {
        PythonStrings() {
            add(JinjavaInterpreterResolver.DEFAULT_RESOLVER_READ_ONLY);
        }

        @Override
        public Object invoke(
                ELContext context, Object base, Object method, Class<?>[] types, Object[] args) {
            if (!(base instanceof String text) || args.length > 1) {
                return super.invoke(context, base, method, types, args);
            }
            String argument = args.length == 1 ? String.valueOf(args[0]) : null;
            Object result =
                    switch (method + "/" + args.length) {
                        case "startswith/1" -> text.startsWith(argument);
                        case "endswith/1" -> text.endsWith(argument);
                        case "lstrip/0" -> text.stripLeading();
                        case "rstrip/0" -> text.stripTrailing();
                        case "upper/0" -> text.toUpperCase(Locale.ROOT);
                        case "lower/0" -> text.toLowerCase(Locale.ROOT);
                        default -> null;
                    };
            if (result == null) {
                return super.invoke(context, base, method, types, args);
            }
            context.setPropertyResolved(true);
            return result;
        }
    }
}
