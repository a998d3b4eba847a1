package org.ringworld.actors;

import java.io.FileNotFoundException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/** Says what went wrong in one sentence, for people. */
public final class Faults {
    private Faults() {}

    /** The sentence of a fault: its own message, completed where the JDK's says too little. */
    public static String sentence(Throwable fault) {
        return switch (fault) {
            case NoSuchFileException e -> "there is no file " + e.getFile();
            case AccessDeniedException e -> "no permission for " + e.getFile();
            case FileSystemException e ->
                    e.getFile() + ": " + (e.getReason() == null ? "cannot be used" : e.getReason());
            case FileNotFoundException e -> e.getMessage();
            case OutOfMemoryError e -> "out of memory: " + e.getMessage();
            // The name tells more than the message: "NoClassDefFoundError: org/x".
            case Error e when e.getMessage() != null ->
                    e.getClass().getSimpleName() + ": " + e.getMessage();
            default ->
                    fault.getMessage() == null
                            ? fault.getClass().getSimpleName()
                            : fault.getMessage();
        };
    }
}
