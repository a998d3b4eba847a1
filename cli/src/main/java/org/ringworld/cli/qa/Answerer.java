package org.ringworld.cli.qa;

import java.io.IOException;

/** Who answers what a user says: a model of ours, or one behind an endpoint. */
sealed interface Answerer extends AutoCloseable permits ModelAnswerer, EndpointAnswerer {
    /**
     * @param attempt from 0; another one may be answered otherwise
     * @throws IOException where no answer is to be had, in a sentence
     */
    String answer(String prompt, int attempt) throws IOException, InterruptedException;

    @Override
    void close();
}
